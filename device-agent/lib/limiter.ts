/**
 * Bounds how many pieces of work run at once. Waiting work starts in the order in which it came; a waiter
 * whose signal is aborted leaves the queue.
 */
export class Limiter {
  readonly #limit: number;
  readonly #waiting: Array<() => void> = [];
  #active = 0;

  /** `limit`: pieces of work at once, at least 1. */
  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new TypeError(`limit must be a positive integer: ${limit}`);
    this.#limit = limit;
  }

  /** Runs `work` when there is room; settles as it does. Rejects with the signal's reason when aborted first. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#active -= 1;
      this.#waiting.shift()?.();
    }
  }

  #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#active < this.#limit) {
      this.#active += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const admit = () => {
        signal?.removeEventListener('abort', onAbort);
        this.#active += 1;
        resolve();
      };
      const onAbort = () => {
        const at = this.#waiting.indexOf(admit);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(admit);
    });
  }
}
