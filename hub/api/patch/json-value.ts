/** JSON values as patches see them, and the few operations that all patch kinds need. Nothing here mutates. */

export type JsonObject = { readonly [key: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy of the object without the key. */
export function without(object: JsonObject, key: string): JsonObject {
  return fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

/** A copy of the object with the key set; `__proto__` is a key like any other. */
export function withKey(object: JsonObject, key: string, value: unknown): JsonObject {
  const copy: Record<string, unknown> = { ...object };
  setKey(copy, key, value);
  return copy;
}

export function setKey(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

function fromEntries(entries: ReadonlyArray<readonly [string, unknown]>): JsonObject {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) setKey(object, key, value);
  return object;
}

/** Equality of JSON values: order of keys does not count, order of elements does. */
export function jsonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => jsonEqual(item, b[index]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]));
}
