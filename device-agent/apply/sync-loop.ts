/**
 * Keeps all pods of the device going: one worker per pod, woken by assignments, by containers that change,
 * by the lease and by time. A pod that is in trouble does not hold up the others; how many are worked on
 * at once is bounded. Nothing is polled.
 */
import type { Assignment } from '#protocol/link/assignment.js';
import { Limiter } from '../lib/limiter.js';
import { podsOf, podUidOf } from '../observe/observer.js';
import type { Runtime } from '../runtime/runtime.js';
import { PodWorker, type PodWorkerOptions } from './pod-worker.js';

const PODS_AT_ONCE = 4;

export interface SyncLoopOptions extends Omit<PodWorkerOptions, 'limiter' | 'gone'> {
  readonly runtime: Pick<Runtime, 'subscribe'>;
  /** Called when the set of pods, or a failover class, has changed. */
  readonly podsChanged: () => void;
}

export class SyncLoop implements AsyncDisposable {
  readonly #options: SyncLoopOptions;
  readonly #limiter = new Limiter(PODS_AT_ONCE);
  readonly #workers = new Map<string, PodWorker>();
  readonly #subscription: Disposable;
  #stopped = false;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#subscription = options.runtime.subscribe((id) => {
      options.observe.observer.invalidate();
      this.wake(podUidOf(id, new Set(this.#workers.keys())));
    });
  }

  /** Takes up every pod that is wanted, and everything that was left on the device. */
  async start(): Promise<void> {
    const { desired, observe } = this.#options;
    const look = await observe.observer.look();
    const uids = new Set([
      ...desired.all().map((pod) => pod.uid),
      ...podsOf(look),
      ...observe.records.uids(),
      ...observe.hardware.uids(),
      ...(await observe.paths.podsWithLogs()),
    ]);
    for (const uid of uids) this.wake(uid);
  }

  /** Keeps an assignment and sets to work on it; resolves once it is on disk. */
  async accept(assignment: Assignment): Promise<void> {
    const changed = await this.#options.desired.accept(assignment);
    if (this.#stopped) return;
    if (!changed) {
      this.wake(assignment.uid);
      return;
    }
    this.#options.podsChanged();
    this.#worker(assignment.uid).accepted();
  }

  wake(uid: string): void {
    if (!this.#stopped) this.#worker(uid).wake();
  }

  wakeAll(): void {
    for (const uid of this.#workers.keys()) this.wake(uid);
  }

  /** The pod's worker's own view, for streams and metrics; undefined for a pod that is not here. */
  worker(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** Resolves when no pod is being worked on. */
  async settled(): Promise<void> {
    while ([...this.#workers.values()].some((worker) => !worker.idle))
      await Promise.all([...this.#workers.values()].map((worker) => worker.settled()));
  }

  #worker(uid: string): PodWorker {
    let worker = this.#workers.get(uid);
    if (worker === undefined) {
      worker = new PodWorker(uid, {
        ...this.#options,
        limiter: this.#limiter,
        gone: (gone) => {
          this.#workers.delete(gone);
          this.#options.podsChanged();
        },
      });
      this.#workers.set(uid, worker);
    }
    return worker;
  }

  /** Stops working; containers stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#subscription[Symbol.dispose]();
    await Promise.all([...this.#workers.values()].map((worker) => worker[Symbol.asyncDispose]()));
    this.#workers.clear();
  }
}
