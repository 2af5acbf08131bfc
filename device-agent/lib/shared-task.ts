/**
 * One task for many who ask for the same thing: the first starts it, later ones join. A caller that gives up
 * leaves the others alone; when all have given up, the task itself is aborted.
 */
export class SharedTasks<T> {
  readonly #running = new Map<string, { promise: Promise<T>; waiting: number; abort: AbortController }>();

  async run(key: string, signal: AbortSignal, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let shared = this.#running.get(key);
    while (shared?.abort.signal.aborted) {
      // Everybody left it; it must be out of the way before the work begins anew.
      await shared.promise.catch(() => undefined);
      shared = this.#running.get(key);
    }
    if (!shared) {
      const abort = new AbortController();
      const promise = task(abort.signal).finally(() => this.#running.delete(key));
      shared = { promise, waiting: 0, abort };
      this.#running.set(key, shared);
    }
    const mine = shared;
    mine.waiting += 1;
    let onAbort: () => void = () => undefined;
    const gaveUp = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([mine.promise, gaveUp]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      mine.waiting -= 1;
      if (mine.waiting === 0) {
        mine.abort.abort(signal.reason ?? new Error('nobody waits for this any more'));
        mine.promise.catch(() => undefined);
      }
    }
  }
}
