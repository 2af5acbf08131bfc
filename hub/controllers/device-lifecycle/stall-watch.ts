/**
 * Notices when this process itself stood still (a blocked event loop, a suspended machine): beats that arrived
 * meanwhile have not been read, so silence before the stall's end proves nothing. A tick that comes much too
 * late marks the end of a stall.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';

const TICK_MS = 500;
const STALL_MS = 2_000;

export class StallWatch implements Disposable {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #ticked: number;
  #lastEnd = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ticked = clock.monotonic();
    this.#schedule();
  }

  /** Monotonic time at which the last stall ended; 0 when there was none. Checks again when asked. */
  get lastEnd(): number {
    this.#check();
    return this.#lastEnd;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(TICK_MS, () => {
      this.#check();
      this.#ticked = this.#clock.monotonic();
      this.#schedule();
    });
  }

  #check(): void {
    const now = this.#clock.monotonic();
    if (now - this.#ticked > STALL_MS) {
      this.#lastEnd = now;
      this.#ticked = now;
    }
  }
}
