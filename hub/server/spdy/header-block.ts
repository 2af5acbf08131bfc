/**
 * SPDY/3 header blocks: name/value pairs inside one zlib stream per direction that lives as long as the
 * session. Reading is bounded in compressed and inflated size. Writing uses stored blocks only: correct zlib
 * with nothing kept per session, and the few bytes that a reply has are not worth compressing.
 */
import { constants, createInflate, type Inflate } from 'node:zlib';
import { SPDY3_DICTIONARY } from './dictionary.js';

export type Headers = ReadonlyMap<string, string>;

const MAX_INFLATED = 32 * 1024;
const MAX_PAIRS = 64;

/** Reads header blocks in the order in which they came. */
export class HeaderReader implements Disposable {
  readonly #inflate: Inflate;
  #output: Buffer[] = [];
  #size = 0;
  #failure: ((error: Error) => void) | undefined;

  constructor() {
    this.#inflate = createInflate({ dictionary: SPDY3_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size > MAX_INFLATED)
        this.#failure?.(new Error(`header block inflates to more than ${MAX_INFLATED} bytes`));
      else this.#output.push(chunk);
    });
    this.#inflate.on('error', (error) => this.#failure?.(error));
  }

  /** Inflates and parses one block; rejects when it is malformed, after which the session cannot go on. */
  async read(block: Buffer): Promise<Headers> {
    this.#output = [];
    this.#size = 0;
    await new Promise<void>((resolve, reject) => {
      this.#failure = reject;
      this.#inflate.write(block, (error) => {
        if (error) reject(error);
        else this.#inflate.flush(constants.Z_SYNC_FLUSH, () => resolve());
      });
    });
    return parsePairs(Buffer.concat(this.#output));
  }

  [Symbol.dispose](): void {
    this.#inflate.destroy();
  }
}

function parsePairs(block: Buffer): Headers {
  const headers = new Map<string, string>();
  let offset = 0;
  const number = () => {
    if (offset + 4 > block.length) throw new Error('header block is cut off');
    offset += 4;
    return block.readUInt32BE(offset - 4);
  };
  const text = () => {
    const length = number();
    if (offset + length > block.length) throw new Error('header block is cut off');
    offset += length;
    return block.toString('latin1', offset - length, offset);
  };
  const count = number();
  if (count > MAX_PAIRS) throw new Error(`header block has ${count} pairs, the limit is ${MAX_PAIRS}`);
  for (let index = 0; index < count; index += 1) {
    const name = text().toLowerCase();
    headers.set(name, text());
  }
  return headers;
}

const ZLIB_HEADER: Buffer = zlibHeader(SPDY3_DICTIONARY);
/** An empty stored block: what a sync flush leaves, and what makes readers hand out the data before it. */
const SYNC_MARKER = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

/** Writes header blocks. */
export class HeaderWriter {
  #started = false;

  write(headers: Headers): Buffer {
    const pairs: Buffer[] = [uint32(headers.size)];
    for (const [name, value] of headers) {
      pairs.push(
        uint32(name.length),
        Buffer.from(name, 'latin1'),
        uint32(value.length),
        Buffer.from(value, 'latin1'),
      );
    }
    const data = Buffer.concat(pairs);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(data.length, 1);
    stored.writeUInt16LE(~data.length & 0xffff, 3);
    const parts: Buffer[] = [stored, data, SYNC_MARKER];
    if (!this.#started) parts.unshift(ZLIB_HEADER);
    this.#started = true;
    return Buffer.concat(parts);
  }
}

/** RFC 1950: CMF, FLG with FDICT and its check bits, then the dictionary's Adler-32. */
function zlibHeader(dictionary: Buffer): Buffer {
  const cmf = 0x78;
  let flags = 0x20;
  flags += 31 - ((cmf * 256 + flags) % 31);
  return Buffer.concat([Buffer.from([cmf, flags]), uint32(adler32(dictionary))]);
}

function adler32(data: Buffer): number {
  let a = 1;
  let b = 0;
  for (const byte of data) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function uint32(value: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
