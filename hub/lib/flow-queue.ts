/**
 * A queue between one producer and one consumer in which the producer waits when too much lies in it: how
 * back-pressure passes from one side of a stream to the other. Ending lets the consumer read what is left;
 * failing drops it.
 */
export class FlowQueue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #weigh: (item: T) => number;
  #items: T[] = [];
  #weight = 0;
  #state: 'open' | 'ended' | 'failed' = 'open';
  #error: unknown;
  #wakeConsumer: (() => void) | undefined;
  #wakeProducers: Array<() => void> = [];

  /** `limit` in the unit of `weigh`; one item may exceed it when the queue is empty. */
  constructor(limit: number, weigh: (item: T) => number) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  /** What lies in the queue now, in the unit of `weigh`. */
  get weight(): number {
    return this.#weight;
  }

  /** Adds an item; resolves when there is room for another. Items after the end are dropped. */
  async push(item: T): Promise<void> {
    if (this.#state !== 'open') return;
    this.#items.push(item);
    this.#weight += this.#weigh(item);
    this.#wake();
    while (this.#weight >= this.#limit && this.#state === 'open') {
      await new Promise<void>((resolve) => this.#wakeProducers.push(resolve));
    }
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#wake();
    this.#release();
  }

  fail(error: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.#error = error;
    this.#items = [];
    this.#weight = 0;
    this.#wake();
    this.#release();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          this.#weight -= this.#weigh(item);
          if (this.#weight < this.#limit) this.#release();
          yield item;
        } else if (this.#state === 'failed') {
          throw this.#error;
        } else if (this.#state === 'ended') {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeConsumer = resolve;
          });
        }
      }
    } finally {
      // A consumer that leaves early must not hold its producer.
      this.end();
      this.#items = [];
      this.#weight = 0;
    }
  }

  #wake(): void {
    this.#wakeConsumer?.();
    this.#wakeConsumer = undefined;
  }

  #release(): void {
    const waiting = this.#wakeProducers;
    this.#wakeProducers = [];
    for (const resolve of waiting) resolve();
  }
}
