/**
 * Gets images for containers by their pull policy, in the background: a step only begins the work, the
 * pod is woken when it is done. At most two pulls at once; failures back off from 10 s to 5 minutes.
 *
 * `Always` is "always if the registry can be reached": a device that is offline, or whose registry is down,
 * runs the image that it has and says so in an event.
 */
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import { ImageError, type ImageStore, type LocalImage, type PullCredential } from '../images/image-store.js';
import { formatBytes, formatDuration } from '../lib/format.js';
import { Limiter } from '../lib/limiter.js';
import type { Activity } from '../observe/activity.js';
import type { EventSink } from '../status/events.js';

const PULLS_AT_ONCE = 2;
/** How long a registry may take to say what is current before a local copy of the image serves instead. */
const REGISTRY_PATIENCE_MS = 5_000;
const BACKOFF = { initialMs: 10_000, maxMs: 300_000, jitter: 0.1 };

export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

export interface ImageRequest {
  readonly container: string;
  readonly reference: string;
  readonly attempt: number;
  readonly policy: PullPolicy;
  readonly credentials: readonly PullCredential[];
  readonly activity: Activity;
  readonly events: EventSink;
  /** Called when the pod should be planned again. */
  readonly wake: () => void;
}

export interface ImagePullerOptions {
  readonly images: Pick<ImageStore, 'find' | 'pull'>;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The policy that holds when none is set: Always for `latest` and untagged references. */
export function effectivePolicy(policy: PullPolicy | undefined, reference: string): PullPolicy {
  if (policy !== undefined) return policy;
  if (reference.includes('@')) return 'IfNotPresent';
  const tag = /:([^/:]+)$/.exec(reference)?.[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

export class ImagePuller {
  readonly #options: ImagePullerOptions;
  readonly #limiter = new Limiter(PULLS_AT_ONCE);

  constructor(options: ImagePullerOptions) {
    this.#options = options;
  }

  /** Resolves at once when the image is here and may be used; otherwise a pull goes on after it resolves. */
  async ensure(request: ImageRequest): Promise<void> {
    const { activity, container, reference, attempt, policy, events } = request;
    const before = activity.images.get(container);
    const failures = before?.state === 'failed' && before.reference === reference ? before.failures : 0;
    try {
      if (reference === '') throw new ImageError('InvalidImageName', 'the container names no image');
      const local = policy === 'Always' ? undefined : await this.#options.images.find(reference);
      if (local !== undefined) {
        this.#ready(request, local);
        events('Normal', 'Pulled', `Container image "${reference}" already present on machine`);
        return;
      }
      if (policy === 'Never')
        throw new ImageError(
          'ErrImageNeverPull',
          `Container image "${reference}" is not present with pull policy of Never`,
        );
    } catch (error) {
      this.#failed(request, error, failures);
      return;
    }
    activity.images.set(container, { state: 'pulling', reference, attempt });
    void this.#pull(request, failures).finally(request.wake);
  }

  /** Never rejects: what goes wrong is in the activity and in events. */
  async #pull(request: ImageRequest, failures: number): Promise<void> {
    const { reference, activity, events } = request;
    const { images, clock } = this.#options;
    const asked = clock.monotonic();
    try {
      const local = request.policy === 'Always' ? await images.find(reference) : undefined;
      const pulled =
        local === undefined
          ? await this.#limiter.run(() => this.#fetch(request, activity.signal), activity.signal)
          : await this.#refresh(request);
      this.#ready(request, pulled);
      events(
        'Normal',
        'Pulled',
        `Successfully pulled image "${reference}" in ${formatDuration(clock.monotonic() - asked)}. Image size: ${formatBytes(pulled.sizeBytes)}.`,
      );
    } catch (error) {
      if (activity.signal.aborted) return;
      await this.#pullFailed(request, error, failures);
    }
  }

  #fetch(request: ImageRequest, signal: AbortSignal, progress?: () => void): Promise<LocalImage> {
    const { reference, credentials, events } = request;
    events('Normal', 'Pulling', `Pulling image "${reference}"`);
    const options = { credentials, signal, ...(progress === undefined ? {} : { progress }) };
    return this.#options.images.pull(reference, options);
  }

  /**
   * Asks whether the image that is here is still current, and fetches a newer one. A registry that hangs
   * counts as one that cannot be reached; once it sends data it may take as long as it needs.
   */
  async #refresh(request: ImageRequest): Promise<LocalImage> {
    const patience = new AbortController();
    const timer = this.#options.clock.setTimer(REGISTRY_PATIENCE_MS, () =>
      patience.abort(
        new ImageError('RegistryUnavailable', `no answer within ${REGISTRY_PATIENCE_MS / 1000} s`),
      ),
    );
    try {
      const signal = AbortSignal.any([request.activity.signal, patience.signal]);
      return await this.#fetch(request, signal, () => timer.cancel());
    } catch (error) {
      throw patience.signal.aborted ? patience.signal.reason : error;
    } finally {
      timer.cancel();
    }
  }

  async #pullFailed(request: ImageRequest, error: unknown, failures: number): Promise<void> {
    const { reference, policy, events } = request;
    const unreachable = error instanceof ImageError && error.reason === 'RegistryUnavailable';
    if (policy === 'Always' && unreachable) {
      try {
        const local = await this.#options.images.find(reference);
        if (local !== undefined) {
          events(
            'Warning',
            'RegistryUnavailable',
            `Using the local copy of image "${reference}": the registry cannot be reached: ${error.message}`,
          );
          this.#ready(request, local);
          return;
        }
      } catch (second) {
        this.#failed(request, second, failures);
        return;
      }
    }
    this.#failed(request, error, failures);
  }

  #ready({ activity, container, reference, attempt }: ImageRequest, image: LocalImage): void {
    activity.images.set(container, { state: 'ready', reference, attempt, image });
  }

  #failed(request: ImageRequest, error: unknown, failures: number): void {
    const { activity, container, reference, attempt, events } = request;
    const { clock, random } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    const given = error instanceof ImageError ? error.reason : 'ErrImagePull';
    // RegistryUnavailable is how the store says it; users of Kubernetes look for ErrImagePull.
    const reason = given === 'RegistryUnavailable' ? 'ErrImagePull' : given;
    const now = clock.monotonic();
    activity.images.set(container, {
      state: 'failed',
      reference,
      attempt,
      reason,
      message,
      failedAt: now,
      retryAt: now + backoffDelay(BACKOFF, failures, random),
      failures: failures + 1,
    });
    if (reason === 'ErrImageNeverPull') events('Warning', reason, message);
    else events('Warning', 'Failed', `Failed to pull image "${reference}": ${message}`);
    events('Warning', 'Failed', `Error: ${reason}`);
  }
}
