/**
 * The bytes of one log record, on disk and in a backup: a fixed head, the key, the value. A checksum over
 * everything else, the record's own revision included, shows a flipped bit and a record under a wrong key.
 *
 *     offset  size  field (integers big-endian)
 *     0       4     CRC-32 of the rest
 *     4       1     type: 1 created, 2 updated, 3 deleted
 *     5       1     flags: bit 0, the value is sealed (sealing.ts)
 *     6       2     length of the key in bytes
 *     8       8     revision
 *     16      8     create revision
 *     24      8     revision of the key's record before this one; 0 for created
 *     32      8     expiry, milliseconds since the Unix epoch; 0 never
 *     40            key in UTF-8, then the value's bytes to the end
 */
import { crc32 } from 'node:zlib';
import type { StoreEvent } from './store.js';

export interface LogRecord {
  readonly type: StoreEvent['type'];
  readonly key: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly previousRevision: number;
  readonly expiresAt: number;
  readonly sealed: boolean;
  /** JSON, or its sealed form. A view on the record's memory. */
  readonly bytes: Uint8Array;
}

const HEAD = 40;
const MAX_KEY_BYTES = 0xffff;
/** A larger record gets a buffer of its own. */
const KEPT_BYTES = 128 * 1024;
const TYPES = ['created', 'updated', 'deleted'] as const;

/**
 * Serialises records into one buffer that it uses again, so that a stream of writes leaves no garbage behind.
 */
export class RecordEncoder {
  #scratch = Buffer.allocUnsafeSlow(8192);

  /** The bytes of a record, valid until the next call. TypeError when the key is empty or over 65,535 bytes. */
  encode(record: LogRecord): Buffer {
    const keyBytes = Buffer.byteLength(record.key);
    if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES) {
      throw new TypeError(`a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${keyBytes}`);
    }
    const out = this.#room(HEAD + keyBytes + record.bytes.byteLength);
    out[4] = TYPES.indexOf(record.type) + 1;
    out[5] = record.sealed ? 1 : 0;
    out.writeUInt16BE(keyBytes, 6);
    writeInteger(out, record.revision, 8);
    writeInteger(out, record.createRevision, 16);
    writeInteger(out, record.previousRevision, 24);
    writeInteger(out, record.expiresAt, 32);
    out.write(record.key, HEAD, 'utf8');
    out.set(record.bytes, HEAD + keyBytes);
    out.writeUInt32BE(crc32(out.subarray(4)), 0);
    return out;
  }

  #room(bytes: number): Buffer {
    if (bytes > KEPT_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(bytes * 2);
    return this.#scratch.subarray(0, bytes);
  }
}

/** Reads a record. RangeError with the reason when the bytes are not an intact record. */
export function decodeRecord(data: Uint8Array): LogRecord {
  const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (view.length < HEAD) throw new RangeError(`the record has ${view.length} bytes, fewer than its head`);
  if (view.readUInt32BE(0) !== crc32(view.subarray(4))) {
    throw new RangeError('the record does not match its checksum');
  }
  const type = TYPES[view.readUInt8(4) - 1];
  const flags = view.readUInt8(5);
  if (type === undefined || flags > 1) throw new RangeError('the record has an unknown type or flag');
  const valueStart = HEAD + view.readUInt16BE(6);
  if (valueStart > view.length) throw new RangeError('the record is shorter than its key');
  return {
    type,
    sealed: flags === 1,
    revision: readInteger(view, 8),
    createRevision: readInteger(view, 16),
    previousRevision: readInteger(view, 24),
    expiresAt: readInteger(view, 32),
    key: view.toString('utf8', HEAD, valueStart),
    bytes: view.subarray(valueStart),
  };
}

function writeInteger(out: Buffer, value: number, offset: number): void {
  out.writeUInt32BE(Math.floor(value / 0x1_0000_0000), offset);
  out.writeUInt32BE(value >>> 0, offset + 4);
}

function readInteger(data: Buffer, offset: number): number {
  return data.readUInt32BE(offset) * 0x1_0000_0000 + data.readUInt32BE(offset + 4);
}
