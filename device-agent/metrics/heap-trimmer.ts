/**
 * Gives memory back when the agent is quiet. V8 collects when something is allocated, so an agent that has
 * finished a burst of work (a start, a pull) would hold its garbage for hours; this collects it a while
 * after the heap has grown. A look costs microseconds; nothing is done while there is nothing to win.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from '#protocol/lib/clock.js';

export const LOOK_EVERY_MS = 20_000;
/** Growth since the last collection that is worth another one. */
const WORTH_BYTES = 1024 ** 2;

/** The heap: how much it holds of the machine's memory, and a full collection. */
export interface Heap {
  bytes(): number;
  collect(): void;
}

type Collect = (how?: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

export function processHeap(): Heap {
  setFlagsFromString('--expose-gc');
  // Otherwise a collection leaves the pages of the burst half empty: 4 MB after forty pods that came and went.
  setFlagsFromString('--compact-on-every-full-gc');
  // Compiled code that did not run between two collections goes with the second; it is compiled again when needed.
  setFlagsFromString('--bytecode-old-age=1');
  const collect = runInNewContext('gc') as Collect;
  return {
    bytes: () => getHeapStatistics().total_heap_size,
    collect: () => {
      collect();
      collect();
      // Moves what is left together and gives the emptied pages back; Node.js 20 does not know it.
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    },
  };
}

export class HeapTrimmer implements Disposable {
  readonly #clock: Clock;
  readonly #heap: Heap;
  #heldAfter = 0;
  #heldBefore = 0;
  #timer: Timer;

  constructor(clock: Clock, heap: Heap) {
    this.#clock = clock;
    this.#heap = heap;
    this.#timer = clock.setTimer(LOOK_EVERY_MS, () => this.#look());
  }

  #look(): void {
    const held = this.#heap.bytes();
    // Only once the burst is over: a heap that still grows is at work.
    const quiet = held <= this.#heldBefore + WORTH_BYTES / 3;
    this.#heldBefore = held;
    if (quiet && held - this.#heldAfter > WORTH_BYTES) {
      this.#heap.collect();
      this.#heldAfter = this.#heap.bytes();
      this.#heldBefore = this.#heldAfter;
    }
    this.#timer = this.#clock.setTimer(LOOK_EVERY_MS, () => this.#look());
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }
}
