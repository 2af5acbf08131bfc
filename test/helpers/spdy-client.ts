/** The client's side of a SPDY/3.1 session, as much as tests need: opens streams and records what comes back. */
import type { Duplex } from 'node:stream';
import { controlFrame, dataHeader, FRAME, FrameReader, numbersFrame } from '#hub/server/spdy/frames.js';
import { HeaderWriter } from '#hub/server/spdy/header-block.js';

export interface ClientStream {
  readonly id: number;
  replied: boolean;
  text: string;
  ended: boolean;
  /** Status of RST_STREAM. */
  reset: number | undefined;
}

export class SpdyClient {
  readonly socket: Duplex;
  readonly streams = new Map<number, ClientStream>();
  goAway: number | undefined;
  windowUpdates = 0;
  pings: number[] = [];
  readonly #writer = new HeaderWriter();
  #next = 1;

  constructor(socket: Duplex) {
    this.socket = socket;
    const frames = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      for (const part of frames.read(chunk)) {
        if (part.kind === 'data') {
          const stream = this.streams.get(part.streamId);
          if (stream === undefined) continue;
          stream.text += part.data.toString('latin1');
          stream.ended ||= part.fin;
          continue;
        }
        const first = part.payload.length >= 4 ? part.payload.readUInt32BE(0) : 0;
        const stream = this.streams.get(first);
        if (part.type === FRAME.synReply && stream !== undefined) stream.replied = true;
        if (part.type === FRAME.rstStream && stream !== undefined)
          stream.reset = part.payload.readUInt32BE(4);
        if (part.type === FRAME.goAway) this.goAway = part.payload.readUInt32BE(4);
        if (part.type === FRAME.windowUpdate) this.windowUpdates += part.payload.readUInt32BE(4);
        if (part.type === FRAME.ping) this.pings.push(first);
      }
    });
    socket.on('error', () => undefined);
  }

  open(headers: Readonly<Record<string, string>>, id = this.#next): ClientStream {
    this.#next = id + 2;
    const stream: ClientStream = { id, replied: false, text: '', ended: false, reset: undefined };
    this.streams.set(id, stream);
    const head = Buffer.alloc(10);
    head.writeUInt32BE(id, 0);
    const block = this.#writer.write(new Map(Object.entries(headers)));
    this.socket.write(controlFrame(FRAME.synStream, 0, Buffer.concat([head, block])));
    return stream;
  }

  data(stream: ClientStream, text: string, fin = false): void {
    this.socket.write(Buffer.concat([dataHeader(stream.id, text.length, fin), Buffer.from(text, 'latin1')]));
  }

  send(type: number, ...numbers: readonly number[]): void {
    this.socket.write(numbersFrame(type, ...numbers));
  }
}
