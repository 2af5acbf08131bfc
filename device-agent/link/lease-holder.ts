/**
 * The device's lease on the monotonic clock. A grant counts from the moment when the beat that it answers was
 * sent, so the lease here always ends before the hub believes it does. A grant that would end earlier than
 * what is held, or for a beat that is not remembered, changes nothing.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { LeaseHolder } from './link.js';

const MAX_BEATS_REMEMBERED = 64;

export class MonotonicLease implements LeaseHolder, Disposable {
  readonly #clock: Clock;
  readonly #sent = new Map<number, number>();
  readonly #expired = new Set<() => void>();
  readonly #granted = new Set<() => void>();
  #ends = 0;
  #held = false;
  #timer: Timer | undefined;
  #hubTime: { readonly at: number; readonly time: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes when a beat was sent; to be called before it goes out. */
  beatSent(sequence: number): void {
    this.#sent.set(sequence, this.#clock.monotonic());
    if (this.#sent.size > MAX_BEATS_REMEMBERED) {
      const oldest = this.#sent.keys().next();
      if (!oldest.done) this.#sent.delete(oldest.value);
    }
  }

  /** Beats of a former session are not answered in this one. */
  newSession(): void {
    this.#sent.clear();
  }

  grant(beat: number, durationMs: number): void {
    const sentAt = this.#sent.get(beat);
    if (sentAt === undefined) return;
    for (const earlier of this.#sent.keys()) {
      if (earlier <= beat) this.#sent.delete(earlier);
    }
    const ends = sentAt + durationMs;
    if (ends <= Math.max(this.#ends, this.#clock.monotonic())) return;
    this.#ends = ends;
    this.#held = true;
    this.#schedule();
    for (const listener of this.#granted) listener();
  }

  heardHubTime(time: number): void {
    this.#hubTime = { at: this.#clock.monotonic(), time };
  }

  remaining(): number {
    return Math.max(0, this.#ends - this.#clock.monotonic());
  }

  hubTime(): number | undefined {
    const known = this.#hubTime;
    return known === undefined ? undefined : known.time + (this.#clock.monotonic() - known.at);
  }

  onExpire(expired: () => void): Disposable {
    this.#expired.add(expired);
    return { [Symbol.dispose]: () => void this.#expired.delete(expired) };
  }

  onGrant(granted: () => void): Disposable {
    this.#granted.add(granted);
    return { [Symbol.dispose]: () => void this.#granted.delete(granted) };
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(Math.max(1, this.#ends - this.#clock.monotonic()), () => {
      if (this.remaining() > 0) {
        this.#schedule();
        return;
      }
      if (!this.#held) return;
      this.#held = false;
      for (const listener of this.#expired) listener();
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#expired.clear();
    this.#granted.clear();
  }
}
