/**
 * Items in order, no two of them equal by `compare`. Finding a place costs O(log n) comparisons; what lies behind an
 * item that is added or removed is moved as one block of memory.
 */
export class SortedList<T> {
  readonly #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  at(index: number): T | undefined {
    return this.#items[index];
  }

  add(item: T): void {
    this.#items.splice(
      this.rank((other) => this.#compare(other, item) < 0),
      0,
      item,
    );
  }

  /** Whether it was there. */
  remove(item: T): boolean {
    const index = this.rank((other) => this.#compare(other, item) < 0);
    const found = this.#items[index];
    if (found === undefined || this.#compare(found, item) !== 0) return false;
    this.#items.splice(index, 1);
    return true;
  }

  /** How many of the first items are `before`, which holds for them and for none after them. */
  rank(before: (item: T) => boolean): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.#items[middle] as T)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
