/**
 * Cache and queue keys: `namespace/name`, or `name` for cluster-scoped objects. Names never hold a slash, so
 * a key is unambiguous. `objectKey` (protocol/meta/object-meta.ts) makes one from an object.
 */
export function joinKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** `namespace` is undefined for cluster-scoped objects, ready to be passed to a client. */
export function splitKey(key: string): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf('/');
  if (slash < 0) return { namespace: undefined, name: key };
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
