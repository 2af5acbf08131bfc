/**
 * The server's end of one SPDY/3.1 session over an upgraded connection: as much of the protocol as remote
 * commands and port forwarding use. Streams are opened by the client only.
 *
 * - Input: bytes of a stream wait in a bounded queue. When it is full the session stops reading the
 *   connection, which is how back-pressure reaches clients that ignore flow control (kubectl does).
 *   WINDOW_UPDATE is sent for what was consumed, for clients that obey it.
 * - Output: `write` resolves when the connection has taken the data. The client's window limits it only once
 *   the client has shown (by SETTINGS or WINDOW_UPDATE) that it keeps one.
 * - A silent peer is found by PING; the session then ends like any other lost connection.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import { ConnectionWriter } from '../connection-writer.js';
import {
  controlFrame,
  dataHeader,
  FLAG_FIN,
  FRAME,
  type FramePart,
  FrameReader,
  initialWindowOf,
  numbersFrame,
  RESET,
  SpdyProtocolError,
} from './frames.js';
import { HeaderReader, HeaderWriter } from './header-block.js';
import { SpdyStream } from './stream.js';

export interface SpdySessionOptions {
  readonly clock: Clock;
  /** Called for every stream that the client opens, in order; the callee accepts or refuses it. */
  readonly onStream: (stream: SpdyStream) => void;
  /** Most streams open at once; 256 unless given. */
  readonly maxStreams?: number;
}

const PING_INTERVAL_MS = 10_000;
/** Pings without any answer before the peer counts as gone. */
const MAX_MISSED_PINGS = 6;
/** How long the client may take to hang up after GOAWAY. */
const CLOSE_GRACE_MS = 5_000;
const MAX_FRAME = 32 * 1024;

export class SpdySession implements AsyncDisposable {
  readonly #socket: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #writer: ConnectionWriter;
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #over = new AbortController();
  #lastStreamId = 0;
  #missedPings = 0;
  #nextPing = 2;
  #blocked = false;
  #pingTimer: Timer | undefined;
  #initialWindow: number | undefined;
  #closing = false;

  constructor(socket: Duplex, options: SpdySessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#writer = new ConnectionWriter(socket);
    socket.once('close', () => this.#finish(new Error('the client has closed the connection')));
    socket.on('error', (error) => this.#finish(error));
  }

  /** Aborted when the connection is over; its reason says why. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Reads frames until the connection ends; `head` is what came with the upgrade. Never rejects. */
  async run(head: Uint8Array): Promise<void> {
    const reader = new FrameReader();
    this.#schedulePing();
    try {
      for (const part of reader.read(Buffer.from(head))) await this.#handle(part);
      const chunks = this.#socket.iterator({ destroyOnReturn: false });
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        this.#missedPings = 0;
        for (const part of reader.read(chunk)) await this.#handle(part);
      }
      this.#finish(new Error('the client has closed the connection'));
    } catch (error) {
      if (error instanceof SpdyProtocolError && !this.#socket.destroyed) {
        this.#writer.send(numbersFrame(FRAME.goAway, this.#lastStreamId, 1));
      }
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#socket.destroy();
    }
  }

  /** Says goodbye once everything written is on its way; the client hangs up, or is hung up on after a while. */
  async close(): Promise<void> {
    if (this.#closing || this.#over.signal.aborted) return;
    this.#closing = true;
    this.#writer.send(numbersFrame(FRAME.goAway, this.#lastStreamId, 0));
    this.#socket.end();
    const timer = this.#options.clock.setTimer(CLOSE_GRACE_MS, () => this.#socket.destroy());
    this.signal.addEventListener('abort', () => timer.cancel(), { once: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish(new Error('the session was closed'));
    this.#socket.destroy();
  }

  async #handle(part: FramePart): Promise<void> {
    if (part.kind === 'data') {
      const stream = this.#streams.get(part.streamId);
      if (stream === undefined) return;
      this.#blocked = true;
      await stream.receive(part.data, part.fin);
      this.#blocked = false;
      return;
    }
    const { type, flags, payload } = part;
    switch (type) {
      case FRAME.synStream:
        return this.#synStream(flags, payload);
      case FRAME.headers:
      case FRAME.synReply: {
        // Read only to keep the shared compression state in step.
        need(payload, 4);
        await this.#readHeaders(payload.subarray(4));
        return;
      }
      case FRAME.rstStream:
        need(payload, 8);
        this.#streams
          .get(streamIdOf(payload))
          ?.fail(new Error(`the client reset the stream (status ${payload.readUInt32BE(4)})`));
        return;
      case FRAME.settings:
        this.#setInitialWindow(initialWindowOf(payload) ?? 65536);
        return;
      case FRAME.windowUpdate:
        need(payload, 8);
        if (this.#initialWindow === undefined) this.#setInitialWindow(65536);
        this.#streams.get(streamIdOf(payload))?.grant(payload.readUInt32BE(4) & 0x7fffffff);
        return;
      case FRAME.ping:
        need(payload, 4);
        // Odd ids are the client's own pings and go back as they are; even ones answer ours.
        if (payload.readUInt32BE(0) % 2 === 1)
          this.#writer.send(controlFrame(FRAME.ping, 0, payload.subarray(0, 4)));
        return;
      default:
        // GOAWAY ends with the connection; unknown frames are ignored as the protocol demands.
        return;
    }
  }

  async #synStream(flags: number, payload: Buffer): Promise<void> {
    need(payload, 10);
    const streamId = streamIdOf(payload);
    const headers = await this.#readHeaders(payload.subarray(10));
    if (streamId % 2 === 0 || streamId <= this.#lastStreamId) {
      throw new SpdyProtocolError(`stream id ${streamId} after ${this.#lastStreamId}`);
    }
    this.#lastStreamId = streamId;
    if (this.#streams.size >= (this.#options.maxStreams ?? 256)) {
      this.#writer.send(numbersFrame(FRAME.rstStream, streamId, RESET.refusedStream));
      return;
    }
    const stream = new SpdyStream(streamId, headers, {
      reply: () => {
        const block = this.#headerWriter.write(new Map());
        this.#writer.send(controlFrame(FRAME.synReply, 0, Buffer.concat([uint32(streamId), block])));
      },
      write: (data, fin) => this.#writeData(streamId, data, fin),
      reset: (status) => this.#writer.send(numbersFrame(FRAME.rstStream, streamId, status)),
      consumed: (bytes) => this.#writer.send(numbersFrame(FRAME.windowUpdate, streamId, bytes)),
      closed: () => this.#streams.delete(streamId),
    });
    if (this.#initialWindow !== undefined) stream.setWindow(this.#initialWindow);
    this.#streams.set(streamId, stream);
    if ((flags & FLAG_FIN) !== 0) await stream.receive(Buffer.alloc(0), true);
    this.#options.onStream(stream);
  }

  async #writeData(streamId: number, data: Uint8Array, fin: boolean): Promise<void> {
    for (let offset = 0; offset < data.length; offset += MAX_FRAME) {
      const piece = data.subarray(offset, offset + MAX_FRAME);
      await this.#writer.write([dataHeader(streamId, piece.length, false), piece]);
    }
    if (fin) await this.#writer.write([dataHeader(streamId, 0, true)]);
  }

  async #readHeaders(block: Buffer) {
    try {
      return await this.#headerReader.read(block);
    } catch (cause) {
      throw new SpdyProtocolError('the header block cannot be read', { cause });
    }
  }

  #setInitialWindow(size: number): void {
    const before = this.#initialWindow;
    this.#initialWindow = size;
    for (const stream of this.#streams.values()) {
      if (before === undefined) stream.setWindow(size);
      else stream.grant(size - before);
    }
  }

  #schedulePing(): void {
    this.#pingTimer = this.#options.clock.setTimer(PING_INTERVAL_MS, () => {
      if (this.#over.signal.aborted) return;
      // While input waits for its consumer, answers cannot be read and prove nothing.
      this.#missedPings = this.#blocked ? 0 : this.#missedPings + 1;
      if (this.#missedPings > MAX_MISSED_PINGS) {
        this.#finish(new Error('the client does not answer'));
        this.#socket.destroy();
        return;
      }
      if (!this.#closing) this.#writer.send(numbersFrame(FRAME.ping, this.#nextPing));
      this.#nextPing += 2;
      this.#schedulePing();
    });
  }

  #finish(reason: Error): void {
    if (this.#over.signal.aborted) return;
    this.#pingTimer?.cancel();
    this.#over.abort(reason);
    for (const stream of [...this.#streams.values()]) stream.fail(reason);
    this.#streams.clear();
    this.#headerReader[Symbol.dispose]();
  }
}

function need(payload: Buffer, length: number): void {
  if (payload.length < length)
    throw new SpdyProtocolError(`control frame of ${payload.length} bytes is too short`);
}

function streamIdOf(payload: Buffer): number {
  return payload.readUInt32BE(0) & 0x7fffffff;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
