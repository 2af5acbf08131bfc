/**
 * Discovery documents from the catalogue: the lists of groups and resources that old clients walk, and the
 * aggregated documents (apidiscovery.k8s.io v2 and v2beta1) by which new ones learn everything at once. Pure.
 */
import type { KindInfo, SubresourceInfo } from '#protocol/kind-info.js';
import { formatApiVersion } from '#protocol/meta/type-meta.js';

interface GroupVersions {
  readonly group: string;
  readonly versions: readonly string[];
}

/** Groups in the order of the catalogue, versions as they appear. */
export function groupsOf(kinds: readonly KindInfo[]): readonly GroupVersions[] {
  const groups = new Map<string, string[]>();
  for (const { group, version, resource } of kinds) {
    if (resource === '') continue;
    const versions = groups.get(group) ?? [];
    if (!versions.includes(version)) versions.push(version);
    groups.set(group, versions);
  }
  return [...groups].map(([group, versions]) => ({ group, versions }));
}

export function apiVersions(kinds: readonly KindInfo[]): object {
  const core = groupsOf(kinds).find(({ group }) => group === '');
  return { kind: 'APIVersions', versions: core?.versions ?? [], serverAddressByClientCIDRs: [] };
}

export function apiGroup({ group, versions }: GroupVersions): object {
  const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: entries, preferredVersion: entries[0] };
}

export function apiGroupList(kinds: readonly KindInfo[]): object {
  const named = groupsOf(kinds).filter(({ group }) => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(apiGroup) };
}

/** One entry per resource and subresource of a group version. */
export function apiResourceList(kinds: readonly KindInfo[], group: string, version: string): object {
  const resources = kinds
    .filter((kind) => kind.resource !== '' && kind.group === group && kind.version === version)
    .flatMap((kind) => [
      {
        name: kind.resource,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: [...kind.verbs].sort(),
        ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
        ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
      },
      ...kind.subresources.map((subresource) => legacySubresource(kind, subresource)),
    ]);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: formatApiVersion({ group, version }),
    resources,
  };
}

function legacySubresource(parent: KindInfo, { name, group, version, kind, verbs }: SubresourceInfo): object {
  const foreign = group !== parent.group || version !== parent.version;
  return {
    name: `${parent.resource}/${name}`,
    singularName: '',
    namespaced: parent.namespaced,
    ...(foreign ? { group, version } : {}),
    kind,
    verbs: [...verbs].sort(),
  };
}

/** `core`: what /api shows; otherwise what /apis shows. */
export function aggregated(kinds: readonly KindInfo[], core: boolean, apiVersion: string): object {
  const items = groupsOf(kinds)
    .filter(({ group }) => (group === '') === core)
    .map(({ group, versions }) => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: versions.map((version) => ({
        version,
        resources: kinds
          .filter((kind) => kind.resource !== '' && kind.group === group && kind.version === version)
          .map(aggregatedResource),
        freshness: 'Current',
      })),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion, metadata: {}, items };
}

function aggregatedResource(info: KindInfo): object {
  return {
    resource: info.resource,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: [...info.verbs].sort(),
    ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
    ...(info.categories.length === 0 ? {} : { categories: info.categories }),
    ...(info.subresources.length === 0
      ? {}
      : {
          subresources: info.subresources.map(({ name, group, version, kind, verbs }) => ({
            subresource: name,
            responseKind: { group, version, kind },
            verbs: [...verbs].sort(),
          })),
        }),
  };
}
