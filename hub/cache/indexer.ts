/**
 * The objects of one resource by key, with secondary indexes kept up to date on every change. Holds the
 * shared frozen objects themselves, never copies.
 */
export type IndexFunction<T> = (object: T) => readonly string[];
export type Indexes<T> = Readonly<Record<string, IndexFunction<T>>>;

interface Index<T> {
  readonly values: IndexFunction<T>;
  /** Value → key → object. Buckets are removed when empty. */
  readonly buckets: Map<string, Map<string, T>>;
}

const NONE: readonly never[] = [];

export class Indexer<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();

  get size(): number {
    return this.#objects.size;
  }

  /** Adds an index over what is held already. A name that is already taken keeps its first function. */
  addIndex(name: string, values: IndexFunction<T>): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { values, buckets: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) insert(index, key, object);
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  list(): Iterable<T> {
    return this.#objects.values();
  }

  /** Throws a TypeError for an index that was never added: that is a mistake in the program. */
  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new TypeError(`no index "${name}"; it has [${[...this.#indexes.keys()]}]`);
    const bucket = index.buckets.get(value);
    return bucket === undefined ? NONE : [...bucket.values()];
  }

  /** Returns what the key held before. */
  set(key: string, object: T): T | undefined {
    const previous = this.#objects.get(key);
    for (const index of this.#indexes.values()) {
      if (previous !== undefined) remove(index, key, previous);
      insert(index, key, object);
    }
    this.#objects.set(key, object);
    return previous;
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    for (const index of this.#indexes.values()) remove(index, key, previous);
    this.#objects.delete(key);
    return previous;
  }
}

function insert<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    let bucket = index.buckets.get(value);
    if (bucket === undefined) {
      bucket = new Map();
      index.buckets.set(value, bucket);
    }
    bucket.set(key, object);
  }
}

function remove<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const bucket = index.buckets.get(value);
    bucket?.delete(key);
    if (bucket?.size === 0) index.buckets.delete(value);
  }
}
