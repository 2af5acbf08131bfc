/** A target in memory that loses power, lies or is smaller than it says, as a test asks. */
import type { Target } from '#firmware-profiles/flash/target.js';

export class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

export class FakeTarget implements Target {
  readonly path = '/dev/fake';
  readonly bytes: number;
  readonly sparse: boolean;
  /** What is on the medium for good. */
  readonly medium: Buffer;
  /** Byte ranges as they were written. */
  readonly writes: Array<{ readonly position: number; readonly length: number }> = [];
  /** After so many writes and syncs the power fails. */
  cutAfter = Number.POSITIVE_INFINITY;
  /** What is really there: a counterfeit wraps around. */
  capacity: number;
  /** Reading this byte gives another value. */
  badByte: number | undefined;
  #operations = 0;
  /** Written and not synced yet: a power cut loses a part of it. */
  #volatile: Array<{ readonly position: number; readonly data: Buffer }> = [];

  constructor(bytes: number, fill = 0xee, sparse = false) {
    this.bytes = bytes;
    this.sparse = sparse;
    this.capacity = bytes;
    this.medium = Buffer.alloc(bytes, fill);
  }

  async write(buffer: Buffer, position: number): Promise<void> {
    this.#operate();
    this.writes.push({ position, length: buffer.length });
    for (const { at, from, length } of this.#places(position, buffer.length))
      this.#volatile.push({ position: at, data: Buffer.from(buffer.subarray(from, from + length)) });
  }

  async read(buffer: Buffer, position: number): Promise<void> {
    for (const { at, from, length } of this.#places(position, buffer.length)) {
      this.medium.copy(buffer, from, at, at + length);
      for (const { position: start, data } of this.#volatile) {
        const first = Math.max(at, start);
        const end = Math.min(at + length, start + data.length);
        if (first < end) data.copy(buffer, from + first - at, first - start, end - start);
      }
    }
    const bad = this.badByte;
    if (bad !== undefined && bad >= position && bad < position + buffer.length)
      buffer.writeUInt8(buffer.readUInt8(bad - position) ^ 1, bad - position);
  }

  async clear(): Promise<void> {
    this.#operate();
    this.#volatile = [];
    this.medium.fill(0);
  }

  async sync(): Promise<void> {
    this.#operate();
    for (const { position, data } of this.#volatile) data.copy(this.medium, position);
    this.#volatile = [];
  }

  /** Of what was not synced, the sectors that `keep` takes reach the medium. Then the power is on again. */
  restorePower(keep: (sector: number) => boolean): void {
    for (const { position, data } of this.#volatile) {
      for (let at = 0; at < data.length; at += 512) {
        if (keep((position + at) / 512)) data.copy(this.medium, position + at, at, at + 512);
      }
    }
    this.#volatile = [];
    this.cutAfter = Number.POSITIVE_INFINITY;
    this.#operations = 0;
  }

  get operations(): number {
    return this.#operations;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #operate(): void {
    if (this.#operations >= this.cutAfter) throw new PowerCut('the power has failed');
    this.#operations += 1;
  }

  /** Where a range really lies: past the capacity it begins again. */
  *#places(position: number, length: number): Iterable<{ at: number; from: number; length: number }> {
    for (let from = 0; from < length; ) {
      const at = (position + from) % this.capacity;
      const part = Math.min(length - from, this.capacity - at);
      yield { at, from, length: part };
      from += part;
    }
  }
}
