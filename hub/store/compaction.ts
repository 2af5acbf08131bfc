/**
 * What may be forgotten, and when. History is kept for a time, so that a watcher that was away for less, or a
 * client half-way through a paged list, can go on; and in a bounded number of revisions, so that a storm of
 * writes cannot fill the disk. `chooseFloor` decides; the Compactor asks it regularly and acts.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

export interface CompactionPolicy {
  /** History is kept for at least this long, in milliseconds, unless there is too much of it. */
  readonly retainMs: number;
  /** Never more revisions of history than about this many; up to a tenth more until the next round. */
  readonly maxRevisions: number;
  /** Time between rounds in milliseconds. */
  readonly intervalMs: number;
}

export const DEFAULT_COMPACTION: CompactionPolicy = {
  retainMs: 10 * 60_000,
  maxRevisions: 100_000,
  intervalMs: 30_000,
};

/** The store was at `revision` at the monotonic time `at`, in milliseconds. */
export interface Sample {
  readonly at: number;
  readonly revision: number;
}

/** The revision up to which history may go: old enough by a sample, or too much. 0 when nothing may. */
export function chooseFloor(samples: readonly Sample[], now: Sample, policy: CompactionPolicy): number {
  let floor = now.revision - policy.maxRevisions;
  for (const sample of samples) {
    if (now.at - sample.at >= policy.retainMs) floor = Math.max(floor, sample.revision);
  }
  return Math.max(0, floor);
}

export interface CompactorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: CompactionPolicy;
  readonly store: {
    readonly revision: number;
    readonly compactedRevision: number;
    compact(revision: number): Promise<void>;
  };
}

export class Compactor implements Disposable {
  readonly #options: CompactorOptions;
  #samples: Sample[];
  #timer: Timer | undefined;
  #running = false;
  #disposed = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#samples = [this.#sample()];
    this.#arm();
  }

  /** To be called after commits: compacts ahead of time when there is too much history. Cheap. */
  observe(): void {
    const { store, policy } = this.#options;
    if (this.#running || store.revision - store.compactedRevision <= policy.maxRevisions * 1.1) return;
    void this.#round();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#disposed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.policy.intervalMs, () => {
      void this.#round().then(() => this.#arm());
    });
  }

  #sample(): Sample {
    return { at: this.#options.clock.monotonic(), revision: this.#options.store.revision };
  }

  async #round(): Promise<void> {
    if (this.#running || this.#disposed) return;
    const { store, policy, logger } = this.#options;
    this.#running = true;
    const now = this.#sample();
    const floor = chooseFloor(this.#samples, now, policy);
    // Of the samples that are old enough only the newest can still matter.
    this.#samples = [...this.#samples.filter((sample) => sample.revision >= floor), now].slice(-MAX_SAMPLES);
    try {
      if (floor > store.compactedRevision) await store.compact(floor);
    } catch (error) {
      if (!this.#disposed)
        logger.warn({ err: error, floor }, 'compaction failed, it is tried again next round');
    }
    this.#running = false;
  }
}

/** More samples than any sensible policy needs (a day of history in half-minute rounds). */
const MAX_SAMPLES = 3000;
