/**
 * A queue of keys for reconcilers.
 * - Fair: keys come out in the order in which they were first added.
 * - Stingy: one key is never processed by two workers at once, and adding it many times before it is
 *   processed means processing it once.
 * - A key added while it is being processed is processed again afterwards.
 * - Shutdown: `shutDown` lets workers finish and gives them `undefined`; `drained` waits for the last one.
 *
 * Invariant: a key is in `#waiting` exactly when it is dirty and not in `#processing`.
 */
export class WorkQueue {
  readonly #waiting = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #getters: Array<(key: string | undefined) => void> = [];
  readonly #drainers: Array<() => void> = [];
  #shut = false;

  /** Keys that wait for a worker; keys in processing are not counted. */
  get length(): number {
    return this.#waiting.size;
  }

  get shuttingDown(): boolean {
    return this.#shut;
  }

  /** Marks a key as needing work. Ignored after shutdown. */
  add(key: string): void {
    if (this.#shut || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#enqueue(key);
  }

  /** The next key, now in processing until `done`; `undefined` once the queue is shut down and empty. */
  get(): Promise<string | undefined> {
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      this.#start(key);
      return Promise.resolve(key);
    }
    if (this.#shut) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#getters.push(resolve));
  }

  /** Says that the worker has finished with a key; it is queued again if it was added meanwhile. */
  done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.has(key)) this.#enqueue(key);
    else this.#settleDrain();
  }

  /** Accepts no more keys. Keys already waiting are dropped; keys in processing may finish. */
  shutDown(): void {
    if (this.#shut) return;
    this.#shut = true;
    this.#waiting.clear();
    this.#dirty.clear();
    for (const resolve of this.#getters.splice(0)) resolve(undefined);
    this.#settleDrain();
  }

  /** Shuts down and resolves once no key is in processing. */
  drained(): Promise<void> {
    this.shutDown();
    if (this.#processing.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drainers.push(resolve));
  }

  #enqueue(key: string): void {
    const getter = this.#getters.shift();
    if (getter === undefined) {
      this.#waiting.add(key);
      return;
    }
    this.#start(key);
    getter(key);
  }

  #start(key: string): void {
    this.#dirty.delete(key);
    this.#processing.add(key);
  }

  #settleDrain(): void {
    if (!this.#shut || this.#processing.size > 0) return;
    for (const resolve of this.#drainers.splice(0)) resolve();
  }
}
