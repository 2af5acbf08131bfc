/**
 * Watches the bytes of an MQTT connection for a packet that is larger than allowed, by its fixed header alone
 * (MQTT 3.1.1 section 2.2): the broker must not collect a body before it knows that it may be that long.
 */
export class PacketGuard {
  readonly #maxBytes: number;
  #skip = 0;
  #length = 0;
  #shift = 0;
  #inLength = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes; returns the length of the first packet that is too large, else undefined. */
  feed(chunk: Uint8Array): number | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const byte = chunk[at] ?? 0;
      at += 1;
      if (!this.#inLength) {
        this.#inLength = true;
        this.#length = 0;
        this.#shift = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 2 ** this.#shift;
      this.#shift += 7;
      if (this.#length > this.#maxBytes || this.#shift > 28) return this.#length;
      if ((byte & 0x80) === 0) {
        this.#inLength = false;
        this.#skip = this.#length;
      }
    }
    return undefined;
  }
}
