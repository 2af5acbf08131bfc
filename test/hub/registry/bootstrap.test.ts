import assert from 'node:assert/strict';
import test from 'node:test';
import { bootstrapRegistry } from '#hub/registry/bootstrap.js';
import { objectOf } from '#hub/registry/encode.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import { deleteOptions, listOptions, testRegistry } from '#test/helpers/registry.js';

const RBAC = 'rbac.authorization.k8s.io';

test('a new store gets the system namespaces, and a second start writes nothing', async () => {
  await using hub = await testRegistry();
  const list = await hub.storage('namespaces').list(hub.scope(), listOptions());
  assert.deepEqual(
    list.items.map((value) => objectOf(value).metadata.name),
    ['covey-system', 'default', 'kube-node-lease', 'kube-public', 'kube-system'],
  );
  const before = hub.store.revision;
  await bootstrapRegistry(hub.registry, new AbortController().signal);
  assert.equal(hub.store.revision, before);
});

test('what an administrator added stays, what is missing comes back, what is opted out is left alone', async () => {
  await using hub = await testRegistry();
  const roles = hub.storage('clusterroles', RBAC);
  const extra = { apiGroups: ['example.com'], resources: ['things'], verbs: ['get'] };
  const change = (name: string, fields: (role: ClusterRole) => Partial<ClusterRole>) =>
    roles.update(
      hub.scope(),
      name,
      '',
      (current) => ({ ...current, ...fields(current as ClusterRole) }) as KubernetesObject,
    );
  const rulesOf = async (name: string) => objectOf<ClusterRole>(await roles.get(hub.scope(), name)).rules;
  const original = await rulesOf('system:basic-user');
  await change('system:basic-user', ({ rules }) => ({ rules: [...rules.slice(1), extra] }));
  await change('system:discovery', ({ metadata }) => ({
    rules: [],
    metadata: { ...metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
  }));
  await hub.storage('clusterrolebindings', RBAC).delete(hub.scope(), 'system:discovery', deleteOptions());
  await bootstrapRegistry(hub.registry, new AbortController().signal);
  const completed = await rulesOf('system:basic-user');
  assert.ok(completed.some(({ apiGroups }) => apiGroups?.[0] === 'example.com'));
  for (const { resources } of original) {
    for (const resource of resources ?? []) {
      assert.ok(
        completed.some((rule) => rule.resources?.includes(resource)),
        resource,
      );
    }
  }
  assert.deepEqual(await rulesOf('system:discovery'), []);
  await hub.storage('clusterrolebindings', RBAC).get(hub.scope(), 'system:discovery');
});
