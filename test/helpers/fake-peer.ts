/** The device's end of a stream, with the test as the other end. */
import {
  STREAM_CHANNEL,
  type StreamFrame,
  type StreamOpen,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';

export class FakePeer implements StreamPeer {
  readonly id = 'stream-1';
  readonly open: StreamOpen;
  readonly written = new Map<number, string>();
  readonly abort = new AbortController();
  /** While set, writes wait: the other end gives no credit. */
  blocked: Promise<void> | undefined;
  readonly result: Promise<StreamResult> = new Promise(() => undefined);
  readonly #frames: StreamFrame[] = [];
  #wake: (() => void) | undefined;

  constructor(open: StreamOpen) {
    this.open = open;
    this.abort.signal.addEventListener('abort', () => this.#wake?.());
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get frames(): AsyncIterable<StreamFrame> {
    return this.#read();
  }

  async *#read(): AsyncGenerator<StreamFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) yield frame;
      else if (this.signal.aborted) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  send(channel: number, text: string, end = false): void {
    this.#frames.push({ channel, data: Buffer.from(text), end });
    this.#wake?.();
  }

  async write(channel: number, data: Uint8Array): Promise<void> {
    await this.blocked;
    this.signal.throwIfAborted();
    this.written.set(channel, (this.written.get(channel) ?? '') + Buffer.from(data).toString());
  }

  async end(): Promise<void> {}

  async close(): Promise<void> {}

  get stdout(): string {
    return this.written.get(STREAM_CHANNEL.stdout) ?? '';
  }
}
