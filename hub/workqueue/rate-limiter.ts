/**
 * How long a key must wait before it is tried again. Limiters are asked once per failure; `forget` must be
 * called once a key succeeds or is given up, so that their memory is bounded by the keys in trouble.
 */
import type { Clock } from '#protocol/lib/clock.js';

export interface RateLimiter {
  /** Milliseconds to wait before the next try of `key`; counts as a failure of it. */
  when(key: string): number;
  forget(key: string): void;
  /** Failures of `key` since it was last forgotten. */
  retries(key: string): number;
}

/** Doubles per failure of one key, from `baseMs` up to `maxMs`. */
export class ItemExponentialLimiter implements RateLimiter {
  readonly #failures = new Map<string, number>();
  readonly #baseMs: number;
  readonly #maxMs: number;

  constructor(baseMs: number, maxMs: number) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
  }

  when(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(failures, 52));
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }
}

/** Lets `burst` keys through at once and `perSecond` in the long run, whatever the keys. */
export class BucketLimiter implements RateLimiter {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #last: number;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#last = clock.monotonic();
  }

  when(): number {
    this.#refill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  /** Takes a token if one is there; otherwise nothing changes. */
  tryAccept(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  forget(): void {
    // A bucket remembers no keys.
  }

  retries(): number {
    return 0;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#last) / 1000) * this.#perSecond);
    this.#last = now;
  }
}

/** The longest wait of several limiters. */
export class MaxOfLimiter implements RateLimiter {
  readonly #limiters: readonly RateLimiter[];

  constructor(...limiters: readonly RateLimiter[]) {
    this.#limiters = limiters;
  }

  when(key: string): number {
    return Math.max(0, ...this.#limiters.map((limiter) => limiter.when(key)));
  }

  forget(key: string): void {
    for (const limiter of this.#limiters) limiter.forget(key);
  }

  retries(key: string): number {
    return Math.max(0, ...this.#limiters.map((limiter) => limiter.retries(key)));
  }
}

/** What controllers use: 5 ms doubling to `maxMs` per key, and 100 retries a second over all with a burst of 1000. */
export function defaultLimiter(clock: Clock, maxMs = 60_000): RateLimiter {
  return new MaxOfLimiter(new ItemExponentialLimiter(5, maxMs), new BucketLimiter(clock, 100, 1000));
}
