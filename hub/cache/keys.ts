/**
 * Cache and queue keys: `namespace/name`, or `name` for cluster-scoped objects. Names never hold a slash, so
 * a key is unambiguous. `objectKey` (protocol/meta/object-meta.ts) makes one from an object.
 */
export function joinKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}
