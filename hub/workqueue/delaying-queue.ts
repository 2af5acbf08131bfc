/**
 * A work queue whose keys can also be added later. At most one delayed addition per key is pending: the
 * earliest wins. Delayed additions die with the queue.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import { WorkQueue } from './queue.js';

export class DelayingQueue extends WorkQueue {
  readonly #clock: Clock;
  readonly #delayed = new Map<string, { readonly at: number; readonly timer: Timer }>();

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** Keys whose delayed addition is still to come. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Adds `key` after `delayMs` milliseconds; at once when that is not positive. */
  addAfter(key: string, delayMs: number): void {
    if (this.shuttingDown) return;
    if (delayMs <= 0) {
      this.#cancel(key);
      this.add(key);
      return;
    }
    const at = this.#clock.monotonic() + delayMs;
    const pending = this.#delayed.get(key);
    if (pending !== undefined && pending.at <= at) return;
    pending?.timer.cancel();
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, timer });
  }

  override shutDown(): void {
    super.shutDown();
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
  }

  #cancel(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }
}
