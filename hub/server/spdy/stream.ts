/**
 * One stream of a SPDY session: a two-way byte channel with headers. Reading is bounded and grants the client
 * room as it proceeds; writing waits for the connection, and for the client's window when it keeps one.
 */
import { FlowQueue } from '../../lib/flow-queue.js';
import { RESET } from './frames.js';
import type { Headers } from './header-block.js';

/** What a stream needs of its session. */
export interface StreamWires {
  reply(): void;
  write(data: Uint8Array, fin: boolean): Promise<void>;
  reset(status: number): void;
  consumed(bytes: number): void;
  closed(): void;
}

const RECEIVE_LIMIT = 256 * 1024;

export class SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  readonly #wires: StreamWires;
  readonly #incoming = new FlowQueue<Uint8Array>(RECEIVE_LIMIT, (chunk) => chunk.length);
  #window: number | undefined;
  #windowWaiters: Array<() => void> = [];
  #remoteEnded = false;
  #localEnded = false;
  #failure: Error | undefined;

  constructor(id: number, headers: Headers, wires: StreamWires) {
    this.id = id;
    this.headers = headers;
    this.#wires = wires;
  }

  /** Answers the client's SYN_STREAM; it sends no data before. */
  accept(): void {
    this.#wires.reply();
  }

  /** Refuses or aborts the stream. */
  reset(status: number = RESET.cancel): void {
    if (this.#failure !== undefined) return;
    this.#wires.reset(status);
    this.fail(new Error('the stream was reset'));
  }

  /** What the client sends, until its end of the stream; throws when the stream is lost. Single consumer. */
  async *read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#incoming) {
      yield chunk;
      if (chunk.length > 0 && !this.#remoteEnded && this.#failure === undefined)
        this.#wires.consumed(chunk.length);
    }
  }

  /** Sends data; resolves when the connection has taken it. Rejects when the stream is lost. */
  async write(data: Uint8Array): Promise<void> {
    let rest = data;
    while (rest.length > 0) {
      this.#check();
      const room = this.#window ?? rest.length;
      if (room <= 0) {
        await new Promise<void>((resolve) => this.#windowWaiters.push(resolve));
        continue;
      }
      const piece = rest.subarray(0, room);
      if (this.#window !== undefined) this.#window -= piece.length;
      rest = rest.subarray(piece.length);
      await this.#wires.write(piece, false);
    }
  }

  /** Says that no more comes from this side. Harmless when repeated or when the stream is lost. */
  async end(): Promise<void> {
    if (this.#localEnded || this.#failure !== undefined) return;
    this.#localEnded = true;
    await this.#wires.write(new Uint8Array(0), true);
    this.#closeWhenDone();
  }

  /** For the session: data from the client; resolves when there is room for more. */
  async receive(data: Buffer, fin: boolean): Promise<void> {
    if (data.length > 0 && !this.#remoteEnded) await this.#incoming.push(data);
    if (!fin) return;
    this.#remoteEnded = true;
    this.#incoming.end();
    this.#closeWhenDone();
  }

  /** For the session: the stream is lost. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    if (!this.#remoteEnded) this.#incoming.fail(error);
    this.#releaseWriters();
    this.#wires.closed();
  }

  /** For the session: the client keeps a window; it starts at `size`. */
  setWindow(size: number): void {
    this.#window = size;
    this.#releaseWriters();
  }

  grant(bytes: number): void {
    if (this.#window === undefined) return;
    this.#window += bytes;
    this.#releaseWriters();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#localEnded) throw new Error('the stream was ended on this side');
  }

  #closeWhenDone(): void {
    if (this.#localEnded && this.#remoteEnded) this.#wires.closed();
  }

  #releaseWriters(): void {
    const waiting = this.#windowWaiters;
    this.#windowWaiters = [];
    for (const resolve of waiting) resolve();
  }
}
