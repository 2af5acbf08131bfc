/**
 * What the cards of one run have in common, each part made once: the base image for a profile, unpacked or built, and
 * the payload for its release of Debian.
 */
import { join } from 'node:path';
import { buildImage } from '#firmware-profiles/build/build-image.js';
import { type PreparedBase, prepareBase } from '#firmware-profiles/flash/flash-card.js';
import type { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { type BaseImage, openBaseImage } from '#firmware-profiles/image/base-image.js';
import { expectedDigest } from '#firmware-profiles/image/expected-digest.js';
import type { Progress } from '#firmware-profiles/lib/progress.js';
import { buildPayload, defaultCache } from '#firmware-profiles/payload/build-payload.js';
import { openPayload, type Payload } from '#firmware-profiles/payload/payload.js';
import { suiteOf } from '#firmware-profiles/payload/suite.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import { COVEY_VERSION } from '../../lib/version.js';
import { bundledAgent } from '../programs.js';
import type { FlashRequest } from './options.js';

export interface StockOptions {
  readonly request: FlashRequest;
  readonly work: WorkDirectory;
  readonly progress: Progress;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export class Stock {
  readonly #options: StockOptions;
  readonly #bases = new Map<string, Promise<PreparedBase>>();
  readonly #payloads = new Map<string, Promise<Payload>>();
  #image: Promise<BaseImage> | undefined;

  constructor(options: StockOptions) {
    this.#options = options;
  }

  /** Rejects with a CardError when the image does not fit the profile. */
  base(profile: FirmwareProfile): Promise<PreparedBase> {
    return once(this.#bases, profile.metadata.name, async () =>
      prepareBase(await this.#imageFor(profile), profile),
    );
  }

  async payload({ facts }: PreparedBase): Promise<Payload> {
    const { request, say, signal } = this.#options;
    const { payload } = request;
    if (payload !== undefined) return once(this.#payloads, payload, () => openPayload(payload));
    const { suite, from } =
      request.suite === undefined ? suiteOf(facts) : { suite: request.suite, from: undefined };
    return once(this.#payloads, suite, () => {
      if (from !== undefined) say(`the image is Debian ${suite} (${from})`);
      return buildPayload({
        suite,
        bundle: bundledAgent(),
        agentVersion: COVEY_VERSION,
        progress: say,
        signal,
      });
    });
  }

  #imageFor(profile: FirmwareProfile): Promise<BaseImage> {
    const { image } = this.#options.request;
    if (image === undefined) return this.#build(profile);
    this.#image ??= this.#open(image, this.#options.work.path);
    return this.#image;
  }

  async #open(file: string, workDirectory: string): Promise<BaseImage> {
    const { request, progress, signal } = this.#options;
    const sha256 = request.sha256 === undefined ? undefined : await expectedDigest(request.sha256, file);
    return openBaseImage({ file, sha256, workDirectory, progress, signal });
  }

  async #build(profile: FirmwareProfile): Promise<BaseImage> {
    const { request, work, say, signal, progress } = this.#options;
    const { path } = await work.sub();
    const file = join(path, 'built.img');
    await buildImage({ profile, file, cache: defaultCache(), suite: request.suite, progress: say, signal });
    return openBaseImage({ file, workDirectory: path, progress, signal });
  }
}

/** Makes what a key stands for when it is first asked for. */
export function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const found = made.get(key);
  if (found !== undefined) return found;
  const promise = make();
  made.set(key, promise);
  return promise;
}
