/**
 * Reads the protobuf wire format: varints, tags, length-delimited parts. Bounded by the bytes it is given;
 * throws ProtobufError for anything cut off or malformed.
 */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export interface WireField {
  readonly number: number;
  readonly wire: number;
  /** Of varints. */
  readonly value: bigint;
  /** Of everything else. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** The fields of one message, in the order in which they were written. */
export function* readFields(message: Uint8Array): Generator<WireField> {
  const cursor = { bytes: message, offset: 0 };
  while (cursor.offset < message.length) {
    const tag = readVarint(cursor);
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (number < 1) throw new ProtobufError(`field number ${number}`);
    switch (wire) {
      case WIRE.varint:
        yield { number, wire, value: readVarint(cursor), bytes: NO_BYTES };
        break;
      case WIRE.fixed64:
        yield { number, wire, value: 0n, bytes: take(cursor, 8) };
        break;
      case WIRE.fixed32:
        yield { number, wire, value: 0n, bytes: take(cursor, 4) };
        break;
      case WIRE.bytes:
        yield { number, wire, value: 0n, bytes: take(cursor, Number(readVarint(cursor))) };
        break;
      default:
        throw new ProtobufError(`wire type ${wire} of field ${number}`);
    }
  }
}

/** The varints of a packed field. */
export function* readPacked(bytes: Uint8Array): Generator<bigint> {
  const cursor = { bytes, offset: 0 };
  while (cursor.offset < bytes.length) yield readVarint(cursor);
}

interface Cursor {
  readonly bytes: Uint8Array;
  offset: number;
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes[cursor.offset];
    if (byte === undefined) throw new ProtobufError('the message is cut off');
    cursor.offset += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new ProtobufError('a number is longer than 10 bytes');
}

function take(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.offset + length;
  if (end > cursor.bytes.length) throw new ProtobufError('the message is cut off');
  const part = cursor.bytes.subarray(cursor.offset, end);
  cursor.offset = end;
  return part;
}
