/**
 * Gives memory back when the agent is quiet. V8 collects when something is allocated, so an agent that has
 * finished a burst of work (a start, a pull) would hold its garbage for hours; this collects it a while
 * after the heap has grown. A look costs microseconds; nothing is done while there is nothing to win.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from '#protocol/lib/clock.js';

const LOOK_EVERY_MS = 20_000;
/** Growth since the last collection that is worth another one. */
const WORTH_BYTES = 3 * 1024 ** 2;

export class HeapTrimmer implements Disposable {
  readonly #clock: Clock;
  readonly #collect: () => void;
  #heldAfter = 0;
  #heldBefore = 0;
  #timer: Timer;

  constructor(clock: Clock) {
    this.#clock = clock;
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
    this.#timer = clock.setTimer(LOOK_EVERY_MS, () => this.#look());
  }

  #look(): void {
    const held = getHeapStatistics().total_heap_size;
    // Only once the burst is over: a heap that still grows is at work.
    const quiet = held <= this.#heldBefore + WORTH_BYTES / 3;
    this.#heldBefore = held;
    if (quiet && held - this.#heldAfter > WORTH_BYTES) {
      this.#collect();
      this.#heldAfter = getHeapStatistics().total_heap_size;
      this.#heldBefore = this.#heldAfter;
    }
    this.#timer = this.#clock.setTimer(LOOK_EVERY_MS, () => this.#look());
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }
}
