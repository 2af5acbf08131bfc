/**
 * Brings one pod to what is wanted of it: looks, plans, takes the steps, and looks again until there is
 * nothing left to do; then sleeps until something changes or a time comes. One round at a time. A step that
 * fails is said in an event and tried again with back-off; the other steps of the pod go on.
 */
import { type Clock, EARLIEST_TIME, type Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { ReportedEvent } from '#protocol/link/report.js';
import type { DesiredPod } from '../desired/desired-pod.js';
import type { DesiredStore } from '../desired/desired-store.js';
import type { Limiter } from '../lib/limiter.js';
import { fieldPathOf, findContainer } from '../lib/pod-types.js';
import { Activity } from '../observe/activity.js';
import { type ObservePodOptions, observePod } from '../observe/observe-pod.js';
import type { ObservedPod } from '../observe/observed.js';
import { isLeaving, type LeaseView, type Plan, plan } from '../plan/plan.js';
import { type Step, stepKey } from '../plan/step.js';
import type { Prober } from '../probes/prober.js';
import { hardwareEvent } from '../status/hardware-condition.js';
import { podStatus } from '../status/pod-status.js';
import type { PodFacts, Reporter } from '../status/reporter.js';
import { type Executor, OutdatedStepError } from './executor.js';
import type { PodContext } from './pod-context.js';
import { probeContainers } from './probe-containers.js';
import { failureEvent, stepFailure } from './step-failure.js';
import { WaitEvents } from './wait-events.js';

/** Rounds without a pause after which something must be wrong: the pod then waits a second. */
const MAX_ROUNDS = 200;
const BREATHER_MS = 1_000;
/** A look that failed is repeated after this long. */
const LOOK_AGAIN_MS = 5_000;

export interface PodWorkerOptions {
  readonly observe: ObservePodOptions;
  readonly desired: DesiredStore;
  readonly executor: Executor;
  readonly reporter: Reporter;
  readonly prober: Prober;
  /** Shared by all pods: bounds how many are worked on at once. */
  readonly limiter: Limiter;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly lease: () => LeaseView;
  readonly hostIp: () => string;
  readonly runtimeVersion: string;
  /** The pod is forgotten; nothing of it is left. */
  readonly gone: (uid: string) => void;
}

export class PodWorker implements AsyncDisposable {
  readonly uid: string;
  readonly activity = new Activity();
  readonly #options: PodWorkerOptions;
  readonly #probed = new Set<string>();
  /** Monotonic time at which the pod was accepted, when this agent saw that. */
  #acceptedAt: number | undefined;
  /** Monotonic time at which this agent first knew of the pod. */
  readonly #metAt: number;
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  readonly #waits = new WaitEvents();
  #published = false;
  #stopped = false;

  constructor(uid: string, options: PodWorkerOptions) {
    this.uid = uid;
    this.#options = options;
    this.#metAt = options.clock.monotonic();
  }

  /** Whether nothing is being done now. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /** Resolves when nothing is being done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** An assignment was accepted: what failed for the old one may work for the new one. */
  accepted(): void {
    this.#acceptedAt ??= this.#options.clock.monotonic();
    this.activity.failures.clear();
    this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      if (this.#dirty) this.wake();
    });
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    for (let round = 0; this.#dirty && !this.#stopped; round++) {
      this.#dirty = false;
      if (round >= MAX_ROUNDS) {
        this.#options.logger.error({ uid: this.uid }, 'planning a pod does not come to rest; pausing it');
        this.#wakeIn(BREATHER_MS);
        return;
      }
      try {
        await this.#options.limiter.run(() => this.#round());
      } catch (error) {
        this.#options.logger.warn({ err: error, uid: this.uid }, 'the state of a pod could not be observed');
        this.#wakeIn(LOOK_AGAIN_MS);
      }
    }
  }

  async #round(): Promise<void> {
    const { desired: store, clock } = this.#options;
    if (store.heldBack.has(this.uid)) return;
    const desired = store.get(this.uid);
    const observed = await observePod(this.#options.observe, this.uid, desired?.run?.pod, this.activity);
    await this.#probe(desired, observed);
    const now = clock.now();
    const monotonic = clock.monotonic();
    const lease = this.#options.lease();
    const made = plan({ desired, observed, now, monotonic, lease, activeForMs: this.#activeFor(desired) });
    if (made.steps.length === 0 || !this.#published) await this.#publish(desired, observed, made);
    const context = this.#context(desired, observed);
    for (const step of made.steps) {
      if (this.#stopped) return;
      await this.#take(step, context);
    }
    if (made.steps.length > 0) this.#dirty = true;
    else if (made.wakeInMs !== undefined) this.#wakeIn(made.wakeInMs);
  }

  async #take(step: Step, context: PodContext): Promise<void> {
    const { clock, random, logger, executor, observe } = this.#options;
    const key = stepKey(step);
    try {
      await executor.execute(step, context);
      this.activity.failures.delete(key);
      if (step.action === 'forget-pod' && this.#options.desired.get(this.uid) === undefined) this.#end();
    } catch (error) {
      if (error instanceof OutdatedStepError) return;
      const before = this.activity.failures.get(key);
      const failure = stepFailure(step, error, before, clock.monotonic(), random);
      this.activity.failures.set(key, failure);
      logger.warn(
        { err: error, uid: this.uid, step: key, attempts: failure.count },
        'a step of a pod failed',
      );
      const { container, reason, message } = failureEvent(step, error);
      context.event(container, 'Warning', reason, message);
    } finally {
      observe.observer.invalidate();
    }
  }

  async #probe(desired: DesiredPod | undefined, observed: ObservedPod): Promise<void> {
    const { prober, observe } = this.#options;
    const { status } = await observe.runRecords.load(this.uid);
    probeContainers({
      prober,
      probed: this.#probed,
      pod: isLeaving(desired) ? undefined : desired?.run?.pod,
      observed,
      activity: this.activity,
      earlier: status,
      wake: () => this.wake(),
      event: (container, type, reason, message) => this.#event(desired, container, type, reason, message),
    });
  }

  async #publish(desired: DesiredPod | undefined, observed: ObservedPod, made: Plan): Promise<void> {
    const facts = await this.#facts(desired, observed, made);
    if (facts === undefined) return;
    this.#published = true;
    this.#options.reporter.update(facts);
    const pod = desired?.run?.pod;
    if (pod === undefined || made.steps.length > 0) return;
    this.#waits.look(made.waiting, pod, (container, type, reason, message) =>
      this.#event(desired, container, type, reason, message),
    );
  }

  /** The pod's report, kept for the next agent when it changed; undefined for a pod of which only its end is wanted. */
  async #facts(
    desired: DesiredPod | undefined,
    observed: ObservedPod,
    made: Pick<Plan, 'waiting'>,
  ): Promise<PodFacts | undefined> {
    if (desired === undefined) return undefined;
    const { run, revision, acceptedAt } = desired;
    if (run === undefined) return { uid: this.uid, namespace: '', name: '', revision, status: {} };
    const { runRecords } = this.#options.observe;
    const { status: previous } = await runRecords.load(this.uid);
    const status = podStatus({
      run,
      observed,
      waiting: made.waiting,
      leaving: isLeaving(desired),
      lastEnds: this.activity.lastEnds,
      previous,
      acceptedAt,
      now: this.#options.clock.now(),
      hostIp: this.#options.hostIp(),
      runtimeVersion: this.#options.runtimeVersion,
    });
    const event = hardwareEvent(previous, status);
    if (event !== undefined) this.#event(desired, '', event.type, event.reason, event.message);
    if (JSON.stringify(status) !== JSON.stringify(previous)) await runRecords.putStatus(this.uid, status);
    const { namespace = 'default', name = '' } = run.pod.metadata;
    return { uid: this.uid, namespace, name, revision, status };
  }

  #context(desired: DesiredPod | undefined, observed: ObservedPod): PodContext {
    return {
      uid: this.uid,
      desired,
      observed,
      activity: this.activity,
      event: (container, type, reason, message) => this.#event(desired, container, type, reason, message),
      wake: () => {
        this.#options.observe.observer.invalidate();
        this.wake();
      },
      reportRemoved: async () => {
        const facts = await this.#facts(desired, observed, { waiting: new Map() });
        if (facts !== undefined) await this.#options.reporter.removed(facts);
      },
    };
  }

  #event(
    desired: DesiredPod | undefined,
    container: string,
    type: ReportedEvent['type'],
    reason: string,
    message: string,
  ): void {
    const spec = desired?.run?.pod.spec;
    if (spec === undefined || this.#stopped) return;
    const role = findContainer(spec, container)?.role;
    const fieldPath = role === undefined ? '' : fieldPathOf(role, container);
    this.#options.reporter.event(this.uid, { type, reason, message, fieldPath });
  }

  /** By this agent's own clock when it saw the pod arrive: a board's wall clock may jump by months. */
  #activeFor(desired: DesiredPod | undefined): number {
    const { clock } = this.#options;
    if (this.#acceptedAt !== undefined) return clock.monotonic() - this.#acceptedAt;
    if (desired === undefined) return 0;
    const metFor = clock.monotonic() - this.#metAt;
    // Accepted while the clock was in the past of all boards: since when is not known.
    if (desired.acceptedAt < EARLIEST_TIME) return metFor;
    return Math.max(metFor, clock.now() - desired.acceptedAt);
  }

  #wakeIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    // A timer of a few milliseconds less than due would only plan the same wait again.
    this.#timer = this.#options.clock.setTimer(delayMs + 1, () => this.wake());
  }

  #end(): void {
    this.#halt(new Error('the pod is gone'));
    this.#options.gone(this.uid);
  }

  #halt(reason: Error): void {
    this.#stopped = true;
    this.#dirty = false;
    this.#timer?.cancel();
    for (const id of this.#probed) this.#options.prober.unwatch(id);
    this.activity.end(reason);
  }

  /** Stops working on the pod; its containers stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#halt(new Error('the agent is stopping'));
    await this.#running;
  }
}
