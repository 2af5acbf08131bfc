/** Writes the protobuf wire format: just what the OpenAPI version 2 document needs. */

const utf8 = new TextEncoder();

/** Builds one message; fields are written in the order of the calls. Empty texts are left out, as proto3 does. */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  #push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  #tag(field: number, wireType: 0 | 2): void {
    this.#push(varint(field * 8 + wireType));
  }

  #bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2);
    this.#push(varint(value.length));
    this.#push(value);
    return this;
  }

  string(field: number, value: string | undefined): this {
    return value ? this.#bytes(field, utf8.encode(value)) : this;
  }

  strings(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.#bytes(field, utf8.encode(value));
    return this;
  }

  bool(field: number, value: boolean | undefined): this {
    if (!value) return this;
    this.#tag(field, 0);
    this.#push(varint(1));
    return this;
  }

  /** Writes nothing for undefined; an empty message is written. */
  message(field: number, value: MessageWriter | undefined): this {
    return value ? this.#bytes(field, value.finish()) : this;
  }

  messages(field: number, values: readonly MessageWriter[]): this {
    for (const value of values) this.message(field, value);
    return this;
  }

  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }
}

/** Non-negative, below 2³². */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
