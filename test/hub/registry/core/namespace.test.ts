import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { Namespace } from '#protocol/core/v1/namespace.js';
import { apiError } from '#test/helpers/api-error.js';
import { configMap, namespace } from '#test/helpers/objects.js';
import { asNew, deleteOptions, testRegistry } from '#test/helpers/registry.js';

test('a namespace is Active, carries its name as a label and is held by its finalizer', async () => {
  await using hub = await testRegistry();
  const created = await hub.create('namespaces', namespace({ metadata: { name: 'team' } }));
  assert.equal(created.status.phase, 'Active');
  assert.deepEqual(created.spec.finalizers, ['kubernetes']);
  assert.equal(created.metadata.labels?.['kubernetes.io/metadata.name'], 'team');
});

test('a deleted namespace takes nothing new and goes when its finalizer is settled', async () => {
  await using hub = await testRegistry();
  const namespaces = hub.storage('namespaces');
  await hub.create('namespaces', namespace({ metadata: { name: 'team' } }));
  const { gone, value } = await namespaces.delete(hub.scope(), 'team', deleteOptions());
  assert.equal(gone, false);
  assert.equal(objectOf<Namespace>(value).status.phase, 'Terminating');
  const fresh = asNew(configMap({ metadata: { name: 'late', namespace: 'team' } }));
  await assert.rejects(hub.storage('configmaps').create(hub.scope('team'), fresh), (error) => {
    const message =
      'configmaps "late" is forbidden: unable to create new content in namespace team because it is being terminated';
    apiError(403, 'Forbidden', message)(error);
    assert.deepEqual((error as { status: { details?: { causes?: unknown } } }).status.details?.causes, [
      {
        reason: 'NamespaceTerminating',
        message: 'namespace team is being terminated',
        field: 'metadata.namespace',
      },
    ]);
    return true;
  });
  const withoutFinalizers = (current: object) => ({ ...(current as Namespace), spec: { finalizers: [] } });
  await namespaces.update(hub.scope(), 'team', '', withoutFinalizers);
  await namespaces.get(hub.scope(), 'team');
  await namespaces.update(hub.scope(), 'team', 'finalize', withoutFinalizers);
  await assert.rejects(namespaces.get(hub.scope(), 'team'), apiError(404, 'NotFound', /not found/));
});

test('nothing is created in a namespace that does not exist', async () => {
  await using hub = await testRegistry();
  const fresh = asNew(configMap({ metadata: { name: 'a', namespace: 'nowhere' } }));
  await assert.rejects(
    hub.storage('configmaps').create(hub.scope('nowhere'), fresh),
    apiError(404, 'NotFound', 'namespaces "nowhere" not found'),
  );
});

test('the namespaces of the system cannot be deleted', async () => {
  await using hub = await testRegistry();
  for (const name of ['default', 'kube-system', 'covey-system']) {
    await assert.rejects(
      hub.storage('namespaces').delete(hub.scope(), name, deleteOptions()),
      apiError(403, 'Forbidden', `namespaces "${name}" is forbidden: this namespace may not be deleted`),
    );
  }
});
