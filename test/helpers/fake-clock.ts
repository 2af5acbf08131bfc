/**
 * A clock that only moves when told. `advance` runs due timers in order of time (then of creation), letting
 * promise callbacks settle before each one, so that a whole asynchronous part can be driven without sleeping.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets pending promise callbacks, including chains started by them, run. */
export async function settle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  #elapsed = 0;
  #order = 0;
  #wall: number;
  readonly #pending = new Set<Pending>();

  /** `startMs`: wall-clock time at monotonic zero, milliseconds since the epoch. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startMs;
  }

  /** Timers that have not fired or been cancelled. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#wall + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Makes the wall clock jump by `ms`; monotonic time and timers are untouched. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { at: this.#elapsed + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(entry);
    const cancel = () => {
      this.#pending.delete(entry);
    };
    return { cancel, [Symbol.dispose]: cancel };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = this.setTimer(delayMs, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Moves time forward by `ms`, running every timer that becomes due, also those set on the way. */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsed + ms;
    await settle();
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#pending.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.callback();
      await settle();
    }
    this.#elapsed = target;
    await settle();
  }

  #next(target: number): Pending | undefined {
    let best: Pending | undefined;
    for (const entry of this.#pending) {
      if (entry.at > target) continue;
      if (best === undefined || entry.at < best.at || (entry.at === best.at && entry.order < best.order))
        best = entry;
    }
    return best;
  }
}
