/**
 * Current entries in key order, with a point lookup beside it. Keys are ordered by UTF-16 code units, which
 * is what JavaScript's `<` compares and all that `list` promises.
 *
 * The order lives in chunks of at most 512 entries (a B-tree of height two): an insertion moves at most one
 * chunk's tail plus, once per 256 insertions, the row of chunks. At 100,000 keys that is a few hundred
 * pointers, not 100,000. Ranges copy whole slices of chunks, and count by chunk lengths.
 */
import type { StoredEntry } from './change.js';

const MAX_CHUNK = 512;

/** A place between two entries: before entry `index` of chunk `chunk`. */
interface Position {
  readonly chunk: number;
  readonly index: number;
}

export class SortedEntries {
  readonly #byKey = new Map<string, StoredEntry>();
  /** Never holds an empty chunk. */
  #chunks: StoredEntry[][] = [];

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): StoredEntry | undefined {
    return this.#byKey.get(key);
  }

  /** Inserts the entry, or replaces the one with its key. */
  set(entry: StoredEntry): void {
    const known = this.#byKey.has(entry.key);
    this.#byKey.set(entry.key, entry);
    const { chunk: at, index } = this.#find((key) => key < entry.key);
    const chunk = this.#chunks[at];
    if (known && chunk !== undefined) {
      chunk[index] = entry;
      return;
    }
    // Past the last chunk: append to it, so that ascending insertions fill chunks instead of opening new ones.
    const target = chunk ?? this.#chunks.at(-1);
    if (target === undefined) {
      this.#chunks.push([entry]);
      return;
    }
    target.splice(chunk === undefined ? target.length : index, 0, entry);
    if (target.length > MAX_CHUNK) {
      const position = chunk === undefined ? this.#chunks.length - 1 : at;
      this.#chunks.splice(position + 1, 0, target.splice(MAX_CHUNK / 2));
    }
  }

  delete(key: string): void {
    if (!this.#byKey.delete(key)) return;
    const { chunk: at, index } = this.#find((other) => other < key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Entries whose key starts with `prefix` and is greater than `after`: the first `limit`, and how many follow. */
  range(
    prefix: string,
    after: string | undefined,
    limit: number,
  ): { entries: StoredEntry[]; remaining: number } {
    const start = this.#find((key) => key < prefix || (after !== undefined && key <= after));
    const end = this.#find((key) => key < prefix || key.startsWith(prefix));
    const entries: StoredEntry[] = [];
    let remaining = 0;
    for (let at = start.chunk; at <= end.chunk; at++) {
      const chunk = this.#chunks[at];
      if (chunk === undefined) break;
      const from = at === start.chunk ? start.index : 0;
      const to = at === end.chunk ? end.index : chunk.length;
      const take = Math.max(0, Math.min(to - from, limit - entries.length));
      for (let i = from; i < from + take; i++) entries.push(chunk[i] as StoredEntry);
      remaining += Math.max(0, to - from - take);
    }
    return { entries, remaining };
  }

  /** Every entry in key order. */
  all(): StoredEntry[] {
    return this.#chunks.flat();
  }

  /** The first position whose key is not `before`; `before` must be true for a prefix of the order only. */
  #find(before: (key: string) => boolean): Position {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#chunks[middle]?.at(-1);
      if (last !== undefined && before(last.key)) low = middle + 1;
      else high = middle;
    }
    const chunk = this.#chunks[low];
    if (chunk === undefined) return { chunk: low, index: 0 };
    let first = 0;
    let end = chunk.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      if (before((chunk[middle] as StoredEntry).key)) first = middle + 1;
      else end = middle;
    }
    return { chunk: low, index: first };
  }
}
