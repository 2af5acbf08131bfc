/**
 * Where objects lie in the store: `/registry/<group>/<resource>/<namespace>/<name>`, without the namespace
 * for cluster-scoped resources; the core group is called `core`. Names hold no slash, so one resource's or
 * one namespace's objects are exactly the keys under its prefix, in order of namespace and name.
 */
import type { KindInfo } from '#protocol/kind-info.js';

/** What of a kind decides where its objects lie. */
export type ResourceKey = Pick<KindInfo, 'group' | 'resource' | 'namespaced'>;

const ROOT = '/registry/';

/** Prefix of every object of a resource, or of those in one namespace. */
export function prefixOf(kind: ResourceKey, namespace = ''): string {
  const base = `${ROOT}${kind.group === '' ? 'core' : kind.group}/${kind.resource}/`;
  return namespace === '' || !kind.namespaced ? base : `${base}${namespace}/`;
}

/** Key of one object; `namespace` is ignored for cluster-scoped resources. */
export function keyOf(kind: ResourceKey, namespace: string, name: string): string {
  return prefixOf(kind, namespace) + name;
}

const SECRETS = prefixOf({ group: '', resource: 'secrets', namespaced: true });

/** Whether a key holds a Secret: the values that the store is to encrypt on disk. */
export function isSecretKey(key: string): boolean {
  return key.startsWith(SECRETS);
}
