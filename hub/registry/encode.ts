/**
 * Makes what the store keeps: the object with its resourceVersion, frozen to the bottom, and its JSON bytes.
 * The object is stringified exactly once, when its revision is known; nothing is encoded again for a reader.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Encode, StoredValue } from '../store/store.js';
import { deepFreeze } from '../store/values.js';

/** An `Encode` that stamps the revision into `object`, whose metadata must be private to the caller. */
export function encodeOwned(object: KubernetesObject): Encode {
  return (revision) => {
    object.metadata.resourceVersion = String(revision);
    return toValue(object);
  };
}

/** An `Encode` for a frozen object: the same at another revision. */
export function encodeCopy(object: Readonly<KubernetesObject>): Encode {
  return (revision) =>
    toValue({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
}

/** The value of an object as it stands; freezes it. */
export function toValue(object: object): StoredValue {
  const bytes = Buffer.from(JSON.stringify(object));
  return { object: deepFreeze(object as Record<string, unknown>), bytes };
}

/** The object of a stored value, typed. Frozen. */
export function objectOf<T extends KubernetesObject = KubernetesObject>(value: StoredValue): Readonly<T> {
  return value.object as unknown as Readonly<T>;
}
