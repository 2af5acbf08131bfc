import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregated, apiGroupList, apiResourceList, groupsOf } from '#hub/api/discovery/documents.js';
import { KINDS } from '#protocol/kinds.js';

interface Resource {
  name: string;
  kind: string;
  group?: string;
  version?: string;
  verbs: string[];
  namespaced: boolean;
  singularName: string;
}

test('every resource and subresource of the catalogue is listed once', () => {
  for (const { group, versions } of groupsOf(KINDS)) {
    for (const version of versions) {
      const { resources } = apiResourceList(KINDS, group, version) as { resources: Resource[] };
      const kinds = KINDS.filter((kind) => kind.group === group && kind.version === version);
      const expected = kinds.flatMap(({ resource, subresources }) => [
        resource,
        ...subresources.map(({ name }) => `${resource}/${name}`),
      ]);
      assert.deepEqual(
        resources.map(({ name }) => name),
        expected,
      );
    }
  }
});

test('subresources with bodies of another group say so', () => {
  const { resources } = apiResourceList(KINDS, '', 'v1') as { resources: Resource[] };
  const eviction = resources.find(({ name }) => name === 'pods/eviction');
  assert.deepEqual(
    [eviction?.group, eviction?.version, eviction?.kind, eviction?.verbs],
    ['policy', 'v1', 'Eviction', ['create']],
  );
  assert.equal(resources.find(({ name }) => name === 'pods/status')?.group, undefined);
});

test('the aggregated documents say the same as the lists', () => {
  const list = apiGroupList(KINDS) as { groups: Array<{ name: string }> };
  const whole = aggregated(KINDS, false, 'apidiscovery.k8s.io/v2') as {
    items: Array<{
      metadata: { name: string };
      versions: Array<{ version: string; resources: Array<{ resource: string; scope: string }> }>;
    }>;
  };
  assert.deepEqual(
    whole.items.map(({ metadata }) => metadata.name),
    list.groups.map(({ name }) => name),
  );
  const core = aggregated(KINDS, true, 'apidiscovery.k8s.io/v2') as typeof whole;
  assert.equal(core.items.length, 1);
  assert.equal(
    core.items[0]?.versions[0]?.resources.find(({ resource }) => resource === 'nodes')?.scope,
    'Cluster',
  );
});
