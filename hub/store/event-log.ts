/**
 * The most recent changes, in memory, in revision order without a gap, bounded by an estimate of their bytes.
 * Watchers and past snapshots read from here; what is older is read from disk. Changes share their values
 * with the current entries, so the estimate is what the log would keep alive at worst.
 */
import type { Change } from './change.js';

/** A parsed object takes about this many times the memory of its JSON, the JSON included. */
const OBJECT_COST = 5;
const CHANGE_COST = 400;

export class EventLog {
  readonly #maxBytes: number;
  #changes: Change[] = [];
  /** Index of the oldest change that is still held; slots before it are already given up. */
  #head = 0;
  #bytes = 0;
  #last: number;

  /** An empty log of a store at `revision`, keeping changes of about `maxBytes` bytes in memory. */
  constructor(revision: number, maxBytes: number) {
    this.#last = revision;
    this.#maxBytes = maxBytes;
  }

  /** The oldest revision held; one more than the newest of the store when none is. */
  get first(): number {
    return this.#last - (this.#changes.length - this.#head) + 1;
  }

  /** Adds the changes that follow the last one, then drops the oldest beyond the bound. */
  append(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.revision !== this.#last + 1) {
        throw new RangeError(`revision ${change.revision} does not follow ${this.#last}`);
      }
      this.#changes.push(change);
      this.#last = change.revision;
      this.#bytes += cost(change);
    }
    while (this.#bytes > this.#maxBytes && this.#head < this.#changes.length) this.#dropOldest();
    this.#giveUpSlots();
  }

  /** Up to `limit` changes with revisions greater than `revision`, which must be at least `first - 1`. */
  since(revision: number, limit = Number.POSITIVE_INFINITY): Change[] {
    const start = this.#head + Math.max(0, revision + 1 - this.first);
    return this.#changes.slice(start, Math.min(this.#changes.length, start + limit));
  }

  /** Drops the changes at and below `revision`. */
  forget(revision: number): void {
    while (this.#head < this.#changes.length && this.first <= revision) this.#dropOldest();
    this.#giveUpSlots();
  }

  #dropOldest(): void {
    this.#bytes -= cost(this.#changes[this.#head] as Change);
    this.#changes[this.#head] = undefined as unknown as Change;
    this.#head++;
  }

  /** Moves the rest to the front once most slots are unused, so that a drop costs amortised constant time. */
  #giveUpSlots(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#changes.length) return;
    this.#changes = this.#changes.slice(this.#head);
    this.#head = 0;
  }
}

function cost(change: Change): number {
  return change.value.bytes.byteLength * OBJECT_COST + CHANGE_COST;
}
