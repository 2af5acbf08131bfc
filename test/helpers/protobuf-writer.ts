/** Writes protobuf messages: fields in the order of the calls, nested messages with their length before them. */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  string(number: number, value: string): void {
    const bytes = Buffer.from(value);
    this.#tag(number, 2);
    this.#varint(bytes.length);
    this.#push(bytes);
  }

  bool(number: number, value: boolean): void {
    this.#tag(number, 0);
    this.#varint(value ? 1 : 0);
  }

  message(number: number, write: (inner: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter();
    write(inner);
    this.#tag(number, 2);
    this.#varint(inner.#length);
    for (const part of inner.#parts) this.#push(part);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts, this.#length);
  }

  #tag(number: number, wire: number): void {
    this.#varint(number * 8 + wire);
  }

  /** Non-negative integers below 2^31. */
  #varint(value: number): void {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    bytes.push(rest);
    this.#push(Uint8Array.from(bytes));
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}
