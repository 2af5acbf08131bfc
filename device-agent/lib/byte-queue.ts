/**
 * Bytes from one producer to one consumer. The producer learns from `push` when to pause and is told when to
 * go on, so what waits here stays near the bound, whatever the consumer's pace.
 */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  readonly #highWater: number;
  readonly #drained: () => void;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #paused = false;
  #wake: (() => void) | undefined;
  #waiting: Array<() => void> = [];

  /** `drained` is called once for each time that `push` returned false, when there is room again. */
  constructor(highWaterBytes: number, drained: () => void = () => undefined) {
    this.#highWater = highWaterBytes;
    this.#drained = drained;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False when the producer should pause. The bytes are taken in any case; after `end` they are dropped. */
  push(chunk: Uint8Array): boolean {
    if (this.#ended || chunk.length === 0) return true;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake?.();
    if (this.#bytes < this.#highWater) return true;
    this.#paused = true;
    return false;
  }

  /** Resolves when there is room again, or nobody reads any more. */
  writable(): Promise<void> {
    if (!this.#paused || this.#ended) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** No more bytes come; what waits is still delivered. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#bytes -= chunk.length;
          if (this.#paused && this.#bytes < this.#highWater / 2) {
            this.#resume();
          }
          yield chunk;
          continue;
        }
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      // The consumer has left: nothing may pile up, and the producer must not wait for ever.
      this.#ended = true;
      this.#chunks = [];
      this.#bytes = 0;
      this.#resume();
    }
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#drained();
  }
}
