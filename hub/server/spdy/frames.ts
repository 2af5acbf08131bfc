/**
 * SPDY/3.1 frames as bytes: names of types and flags, writers for the ones that a server sends, and the reader
 * that cuts a byte stream into control frames (whole, bounded) and data (passed on in pieces as it arrives, so
 * that a 16 MiB frame costs no memory).
 */
export const FRAME = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const FLAG_FIN = 0x01;

/** Status codes of RST_STREAM. */
export const RESET = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
  streamInUse: 8,
  streamAlreadyClosed: 9,
} as const;

const VERSION = 3;
const MAX_CONTROL = 64 * 1024;

export class SpdyProtocolError extends Error {
  override readonly name = 'SpdyProtocolError';
}

export type FramePart =
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly payload: Buffer }
  /** A piece of a data frame; `fin` only on its last piece. */
  | { readonly kind: 'data'; readonly streamId: number; readonly data: Buffer; readonly fin: boolean };

/** Cuts bytes into frames. Throws SpdyProtocolError; the session is over then. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #data: { streamId: number; remaining: number; fin: boolean } | undefined;

  *read(chunk: Buffer): Generator<FramePart> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    for (;;) {
      if (this.#data !== undefined) {
        const { streamId, remaining, fin } = this.#data;
        if (remaining > 0 && bytes.length === 0) return;
        const piece = bytes.subarray(0, remaining);
        bytes = bytes.subarray(piece.length);
        const left = remaining - piece.length;
        this.#data = left === 0 ? undefined : { streamId, remaining: left, fin };
        yield { kind: 'data', streamId, data: piece, fin: fin && left === 0 };
        continue;
      }
      if (bytes.length < 8) break;
      const length = bytes.readUIntBE(5, 3);
      const flags = bytes[4] ?? 0;
      const word = bytes.readUInt32BE(0);
      if ((word & 0x80000000) === 0) {
        if (word === 0) throw new SpdyProtocolError('data frame on stream 0');
        this.#data = { streamId: word, remaining: length, fin: (flags & FLAG_FIN) !== 0 };
        bytes = bytes.subarray(8);
        continue;
      }
      const version = (word >>> 16) & 0x7fff;
      if (version !== VERSION)
        throw new SpdyProtocolError(`frame of SPDY version ${version}, want ${VERSION}`);
      if (length > MAX_CONTROL)
        throw new SpdyProtocolError(`control frame of ${length} bytes, the limit is ${MAX_CONTROL}`);
      if (bytes.length < 8 + length) break;
      const payload = bytes.subarray(8, 8 + length);
      bytes = bytes.subarray(8 + length);
      yield { kind: 'control', type: word & 0xffff, flags, payload };
    }
    this.#rest = bytes;
  }
}

export function controlFrame(type: number, flags: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE((0x80000000 | (VERSION << 16) | type) >>> 0, 0);
  header[4] = flags;
  header.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([header, payload]);
}

/** The 8 bytes before the payload of a data frame. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(streamId, 0);
  header[4] = fin ? FLAG_FIN : 0;
  header.writeUIntBE(length, 5, 3);
  return header;
}

/** A control frame whose payload is 32-bit numbers. */
export function numbersFrame(type: number, ...numbers: readonly number[]): Buffer {
  const payload = Buffer.alloc(numbers.length * 4);
  numbers.forEach((value, index) => {
    payload.writeUInt32BE(value >>> 0, index * 4);
  });
  return controlFrame(type, 0, payload);
}

/** The initial window size that a SETTINGS payload announces, if it does. */
export function initialWindowOf(payload: Buffer): number | undefined {
  const INITIAL_WINDOW_SIZE = 7;
  const count = payload.length >= 4 ? payload.readUInt32BE(0) : 0;
  for (let index = 0; index < count && 12 + index * 8 <= payload.length; index += 1) {
    const id = payload.readUIntBE(5 + index * 8, 3);
    if (id === INITIAL_WINDOW_SIZE) return payload.readUInt32BE(8 + index * 8);
  }
  return undefined;
}
