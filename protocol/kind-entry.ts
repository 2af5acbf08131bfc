/** How an entry of the catalogue is written down: what most kinds have in common is filled in. */
import { DEFAULT_COLUMNS } from './columns.js';
import type { KindInfo, SubresourceInfo, Verb } from './kind-info.js';
import type { KubernetesObject } from './meta/object-meta.js';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];
export const CREATE_ONLY: readonly Verb[] = ['create'];
export const VIEW: readonly Verb[] = ['get', 'patch', 'update'];

export type Group = Pick<KindInfo, 'group' | 'version'>;
type Given = Pick<KindInfo, 'kind' | 'resource' | 'schema' | 'description'> & Partial<KindInfo>;

/** Fills in what most kinds have in common. */
export function kind(group: Group, given: Given): KindInfo {
  return {
    ...group,
    listKind: `${given.kind}List`,
    singular: given.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    subresources: [],
    verbs: ALL_VERBS,
    columns: DEFAULT_COLUMNS,
    nameRule: 'subdomain',
    selectableFields: [],
    ...given,
  };
}

/** Kinds whose functions take their own type are entered here; decoding guarantees the type. */
export function typed<T extends KubernetesObject, R>(
  work: (object: T) => R,
): (object: KubernetesObject) => R {
  return (object) => work(object as T);
}

export const sub = (
  name: string,
  group: Group,
  kindName: string,
  verbs: readonly Verb[],
): SubresourceInfo => ({
  name,
  ...group,
  kind: kindName,
  verbs,
});

export const CONNECT: readonly Verb[] = ['create', 'get'];
