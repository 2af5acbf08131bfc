/**
 * Values on the way in: bytes from disk become a frozen object, and a key that expires gets its tombstone.
 * Everything else about encoding belongs to the registry.
 */
import type { StoredValue } from './store.js';

/** Turns the JSON bytes of a stored value into the object that readers share. Must return it deeply frozen. */
export type Decode = (bytes: Uint8Array) => Readonly<Record<string, unknown>>;

/** Makes the last value of a key that the store deletes by itself, stamped with the deletion's revision. */
export type MakeTombstone = (last: StoredValue, revision: number) => StoredValue;

/** Freezes a JSON value and everything below it; returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
}

/** The default `Decode`. Throws a SyntaxError or TypeError when the bytes are not a JSON object in UTF-8. */
export function decodeJson(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('a stored value must be a JSON object');
  }
  return deepFreeze(value as Record<string, unknown>);
}

/** The default `MakeTombstone`: the last object with `metadata.resourceVersion` set to the revision. */
export function stampResourceVersion(last: StoredValue, revision: number): StoredValue {
  const before = last.object;
  const metadata = before['metadata'];
  if (typeof metadata !== 'object' || metadata === null) return last;
  const object = { ...before, metadata: { ...metadata, resourceVersion: String(revision) } };
  return { object: deepFreeze(object), bytes: Buffer.from(JSON.stringify(object)) };
}
