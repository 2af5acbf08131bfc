/**
 * Objects to bytes. Stored objects are passed through as the bytes that the store keeps; only objects made for
 * one answer, YAML and indented JSON are encoded here.
 */
import { stringify } from 'yaml';
import type { StoredValue } from '../store/store.js';
import type { Encoding } from './negotiate.js';

export function encodeObject(object: object, encoding: Encoding, pretty: boolean): Buffer {
  if (encoding === 'yaml') {
    return Buffer.from(stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
  }
  return Buffer.from(`${pretty ? JSON.stringify(object, null, 2) : JSON.stringify(object)}\n`);
}

export function encodeStored(value: StoredValue, encoding: Encoding, pretty: boolean): Uint8Array {
  return encoding === 'json' && !pretty ? value.bytes : encodeObject(value.object, encoding, pretty);
}
