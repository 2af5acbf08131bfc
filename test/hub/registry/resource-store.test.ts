import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { configMap, deployment, namespace, pod } from '#test/helpers/objects.js';
import { asNew, deleteOptions, listOptions, testRegistry } from '#test/helpers/registry.js';

const map = (name: string, data: Record<string, string> = {}) =>
  asNew(configMap({ metadata: { name }, data }));

test('creation sets the server fields, and the bytes carry the revision', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const value = await maps.create(hub.scope('default'), map('a', { k: 'v' }));
  const object = objectOf<ConfigMap>(value);
  assert.match(object.metadata.uid, /^[0-9a-f-]{36}$/);
  assert.equal(object.metadata.creationTimestamp, '2026-01-01T00:00:00Z');
  assert.equal(object.metadata.resourceVersion, String(hub.store.revision));
  assert.deepEqual(JSON.parse(Buffer.from(value.bytes).toString()), JSON.parse(JSON.stringify(object)));
  assert.ok(Object.isFrozen(object.data));
  assert.equal(await maps.get(hub.scope('default'), 'a'), value);
});

test('creation twice is AlreadyExists, also in a dry run', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  await maps.create(hub.scope('default'), map('a'));
  const exists = apiError(409, 'AlreadyExists', 'configmaps "a" already exists');
  await assert.rejects(maps.create(hub.scope('default'), map('a')), exists);
  await assert.rejects(maps.create(hub.scope('default', { dryRun: true }), map('a')), exists);
});

test('a dry run answers the object and stores nothing', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const before = hub.store.revision;
  const value = await maps.create(hub.scope('default', { dryRun: true }), map('a'));
  assert.equal(objectOf(value).metadata.name, 'a');
  assert.equal(hub.store.revision, before);
  await assert.rejects(
    maps.get(hub.scope('default'), 'a'),
    apiError(404, 'NotFound', 'configmaps "a" not found'),
  );
});

test('generateName makes names that differ', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const names = new Set<string>();
  for (let index = 0; index < 20; index += 1) {
    const object = map('');
    object.metadata.generateName = 'gen-';
    names.add(objectOf(await maps.create(hub.scope('default'), object)).metadata.name);
  }
  assert.equal(names.size, 20);
  for (const name of names) assert.match(name, /^gen-[a-z0-9]{5}$/);
});

test('what only stored objects have is refused or reset on creation', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const withVersion = map('a');
  withVersion.metadata.resourceVersion = '3';
  await assert.rejects(
    maps.create(hub.scope('default'), withVersion),
    apiError(400, 'BadRequest', 'resourceVersion should not be set on objects to be created'),
  );
  const other = map('a');
  other.metadata.namespace = 'elsewhere';
  await assert.rejects(
    maps.create(hub.scope('default'), other),
    apiError(400, 'BadRequest', /does not match the namespace sent on the request/),
  );
  const deleted = map('a');
  deleted.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  const stored = objectOf(await maps.create(hub.scope('default'), deleted));
  assert.equal(stored.metadata.deletionTimestamp, undefined);
});

test('an invalid object is a 422 with one cause per field', async () => {
  await using hub = await testRegistry();
  await assert.rejects(
    hub.storage('configmaps').create(hub.scope('default'), map('Bad_Name')),
    apiError(422, 'Invalid', /^ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"/),
  );
});

test('an update with an old resourceVersion is a Conflict, without one it is retried', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const first = objectOf<ConfigMap>(await maps.create(hub.scope('default'), map('a', { n: '0' })));
  const put = (data: Record<string, string>, resourceVersion: string | undefined) =>
    maps.update(hub.scope('default'), 'a', '', () => {
      const metadata: ConfigMap['metadata'] = { ...first.metadata };
      if (resourceVersion === undefined) delete metadata.resourceVersion;
      return { ...first, metadata, data } as KubernetesObject;
    });
  await put({ n: '1' }, first.metadata.resourceVersion);
  await assert.rejects(
    put({ n: '2' }, first.metadata.resourceVersion),
    apiError(
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    ),
  );
  await put({ n: '3' }, undefined);
  assert.deepEqual(objectOf<ConfigMap>(await maps.get(hub.scope('default'), 'a')).data, { n: '3' });
});

test('concurrent transforms all take effect', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  await maps.create(hub.scope('default'), map('a', { n: '0' }));
  const increment = () =>
    maps.update(hub.scope('default'), 'a', '', (current) => {
      const { data } = current as ConfigMap;
      return { ...current, data: { n: String(Number(data?.['n']) + 1) } } as KubernetesObject;
    });
  await Promise.all(Array.from({ length: 20 }, increment));
  assert.equal(objectOf<ConfigMap>(await maps.get(hub.scope('default'), 'a')).data?.['n'], '20');
});

test('an update that changes nothing writes nothing', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const value = await maps.create(hub.scope('default'), map('a', { k: 'v' }));
  const before = hub.store.revision;
  const again = await maps.update(hub.scope('default'), 'a', '', (current) => structuredClone(current));
  assert.equal(again, value);
  assert.equal(hub.store.revision, before);
});

test('an update cannot rename, re-identify or re-date', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const first = objectOf(await maps.create(hub.scope('default'), map('a')));
  const change = (metadata: Partial<KubernetesObject['metadata']>) =>
    maps.update(hub.scope('default'), 'a', '', (current) => ({
      ...current,
      metadata: { ...current.metadata, ...metadata },
    }));
  await assert.rejects(
    change({ name: 'b' }),
    apiError(400, 'BadRequest', /name of the object \(b\) does not match/),
  );
  await assert.rejects(
    change({ uid: 'other' }),
    apiError(409, 'Conflict', /Precondition failed: UID in precondition: other/),
  );
  const value = objectOf(await change({ creationTimestamp: '2000-01-01T00:00:00Z', labels: { a: 'b' } }));
  assert.equal(value.metadata.creationTimestamp, first.metadata.creationTimestamp);
});

test('generation counts changes of the spec, not of metadata or status', async () => {
  await using hub = await testRegistry();
  const created = await hub.create('deployments', deployment({ metadata: { name: 'd' } }), 'apps');
  assert.equal(created.metadata.generation, 1);
  const deployments = hub.storage('deployments', 'apps');
  const scope = hub.scope('default');
  const labelled = await deployments.update(scope, 'd', '', (current) => ({
    ...current,
    metadata: { ...current.metadata, labels: { x: 'y' } },
  }));
  assert.equal(objectOf(labelled).metadata.generation, 1);
  const reported = await deployments.update(
    scope,
    'd',
    'status',
    (current) => ({ ...current, spec: { replicas: 99 }, status: { replicas: 1 } }) as KubernetesObject,
  );
  assert.equal(objectOf(reported).metadata.generation, 1);
  assert.equal(objectOf<typeof created>(reported).spec.replicas, created.spec.replicas);
  const scaled = await deployments.update(
    scope,
    'd',
    '',
    (current) =>
      ({ ...current, spec: { ...created.spec, replicas: 5 }, status: { replicas: 77 } }) as KubernetesObject,
  );
  assert.equal(objectOf(scaled).metadata.generation, 2);
  assert.equal(objectOf<typeof created>(scaled).status.replicas, 1);
});

test('preconditions of a deletion', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const { metadata } = objectOf(await maps.create(hub.scope('default'), map('a')));
  await assert.rejects(
    maps.delete(hub.scope('default'), 'a', deleteOptions({ preconditions: { uid: 'x' } })),
    apiError(
      409,
      'Conflict',
      new RegExp(
        `^Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition \\(x\\) does not match the UID in record \\(${metadata.uid}\\). The object might have been deleted and then recreated$`,
      ),
    ),
  );
  await assert.rejects(
    maps.delete(hub.scope('default'), 'a', deleteOptions({ preconditions: { resourceVersion: '1' } })),
    apiError(
      409,
      'Conflict',
      new RegExp(
        `the ResourceVersion in the precondition \\(1\\) does not match the ResourceVersion in record \\(${metadata.resourceVersion}\\). The object might have been modified$`,
      ),
    ),
  );
  const spaces = hub.storage('namespaces');
  const space = await hub.create('namespaces', namespace({ metadata: { name: 'n' } }));
  await assert.rejects(
    spaces.delete(hub.scope(), 'n', deleteOptions({ preconditions: { uid: 'x' } })),
    apiError(
      409,
      'Conflict',
      new RegExp(
        `^Operation cannot be fulfilled on namespaces "n": Precondition failed: UID in precondition: x, UID in object meta: ${space.metadata.uid}$`,
      ),
    ),
  );
  const { gone, value } = await maps.delete(
    hub.scope('default'),
    'a',
    deleteOptions({ preconditions: { uid: metadata.uid } }),
  );
  assert.ok(gone);
  assert.equal(objectOf(value).metadata.resourceVersion, String(hub.store.revision));
});

test('finalizers hold a deleted object until the last is taken away', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const object = map('a');
  object.metadata.finalizers = ['example.com/one', 'example.com/two'];
  await maps.create(hub.scope('default'), object);
  const { gone, value } = await maps.delete(hub.scope('default'), 'a', deleteOptions());
  assert.equal(gone, false);
  assert.equal(objectOf(value).metadata.deletionTimestamp, '2026-01-01T00:00:00Z');
  assert.equal(objectOf(value).metadata.deletionGracePeriodSeconds, 0);
  const setFinalizers = (finalizers: string[]) =>
    maps.update(hub.scope('default'), 'a', '', (current) => ({
      ...current,
      metadata: { ...current.metadata, finalizers },
    }));
  await assert.rejects(
    setFinalizers(['example.com/one', 'example.com/two', 'example.com/three']),
    apiError(
      422,
      'Invalid',
      /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"example.com\/three"\}/,
    ),
  );
  await setFinalizers(['example.com/two']);
  await maps.get(hub.scope('default'), 'a');
  await setFinalizers([]);
  await assert.rejects(maps.get(hub.scope('default'), 'a'), apiError(404, 'NotFound', /not found/));
});

test('propagation policies become finalizers', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  for (const [policy, finalizer] of [
    ['Foreground', 'foregroundDeletion'],
    ['Orphan', 'orphan'],
  ] as const) {
    await maps.create(hub.scope('default'), map(policy.toLowerCase()));
    const { gone, value } = await maps.delete(
      hub.scope('default'),
      policy.toLowerCase(),
      deleteOptions({ propagationPolicy: policy }),
    );
    assert.equal(gone, false);
    assert.deepEqual(objectOf(value).metadata.finalizers, [finalizer]);
  }
  const background = await maps.delete(
    hub.scope('default'),
    'orphan',
    deleteOptions({ propagationPolicy: 'Background' }),
  );
  assert.ok(background.gone);
});

test('deleteCollection deletes what is selected and nothing else', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  for (const name of ['a', 'b', 'c']) {
    const object = map(name);
    object.metadata.labels = { keep: name === 'c' ? 'yes' : 'no' };
    await maps.create(hub.scope('default'), object);
  }
  const deleted = await maps.deleteCollection(
    hub.scope('default'),
    listOptions({ labelSelector: 'keep=no' }),
    deleteOptions(),
  );
  assert.equal(deleted.items.length, 2);
  const rest = await maps.list(hub.scope('default'), listOptions());
  assert.deepEqual(
    rest.items.map((value) => objectOf(value).metadata.name),
    ['c'],
  );
});

test('an endpoint that the kind does not have is not found', async () => {
  await using hub = await testRegistry();
  await hub.create('pods', pod({ metadata: { name: 'p' } }));
  const pods = hub.storage('pods');
  const missing = apiError(404, 'NotFound', 'the server could not find the requested resource');
  await assert.rejects(pods.view(hub.scope('default'), 'p', 'scale'), missing);
  await assert.rejects(
    pods.update(hub.scope('default'), 'p', 'scale', (current) => ({ ...current })),
    missing,
  );
  await assert.rejects(pods.connect(hub.scope('default'), 'p', 'nothing', { ...pod() }), missing);
});
