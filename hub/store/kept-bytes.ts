/**
 * Values of keys that expire: many, seldom read, all gone after a while. The store keeps their bytes only, and the
 * object is decoded anew for each who looks at it. Bytes of values that are written one after the other lie side by
 * side in slabs of their own, so a slab goes with its values instead of being held by one of them.
 */
import type { StoredValue } from './store.js';
import type { Decode } from './values.js';

const SLAB_BYTES = 64 * 1024;

/** A value without its object. */
export class KeptBytes implements StoredValue {
  readonly #slab: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #decode: Decode;

  constructor(slab: Buffer, start: number, end: number, decode: Decode) {
    this.#slab = slab;
    this.#start = start;
    this.#end = end;
    this.#decode = decode;
  }

  get bytes(): Buffer {
    return this.#slab.subarray(this.#start, this.#end);
  }

  get object(): Readonly<Record<string, unknown>> {
    return this.#decode(this.bytes);
  }

  /** Whether the bytes hold all of these, which costs a small part of decoding them. */
  holds(texts: readonly Buffer[]): boolean {
    const { bytes } = this;
    return texts.every((text) => bytes.includes(text));
  }
}

export class ByteKeeper {
  readonly #decode: Decode;
  #slab = Buffer.alloc(0);
  #used = 0;

  constructor(decode: Decode) {
    this.#decode = decode;
  }

  /** The value without its object, its bytes copied. One of a quarter slab and more gets memory of its own. */
  keep({ bytes }: StoredValue): KeptBytes {
    const length = bytes.byteLength;
    if (length >= SLAB_BYTES / 4) {
      const own = Buffer.allocUnsafeSlow(length);
      own.set(bytes);
      return new KeptBytes(own, 0, length, this.#decode);
    }
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    this.#slab.set(bytes, start);
    return new KeptBytes(this.#slab, start, this.#used, this.#decode);
  }
}
