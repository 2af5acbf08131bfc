import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { type DeepPartial, pod } from '#test/helpers/objects.js';
import { deleteOptions, type TestRegistry, testRegistry } from '#test/helpers/registry.js';

const create = (hub: TestRegistry, given: DeepPartial<Pod> = {}) =>
  hub.create('pods', pod({ metadata: { name: 'p' }, ...given }));

const bind = (hub: TestRegistry, node: string, changes: Partial<KubernetesObject['metadata']> = {}) =>
  hub.storage('pods').connect(hub.scope('default'), 'p', 'binding', {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: newObjectMeta({ name: 'p', ...changes }),
    target: { kind: 'Node', name: node },
  } as KubernetesObject);

const read = async (hub: TestRegistry) =>
  objectOf<Pod>(await hub.storage('pods').get(hub.scope('default'), 'p'));

const change = (hub: TestRegistry, transform: (current: Pod) => Pod, subresource = '') =>
  hub
    .storage('pods')
    .update(hub.scope('default'), 'p', subresource, (current) => transform(structuredClone(current) as Pod));

const report = (hub: TestRegistry, phase: NonNullable<Pod['status']['phase']>) =>
  change(hub, (current) => ({ ...current, status: { phase } }), 'status');

test('a new pod is Pending, whatever status it came with, with its class of service', async () => {
  await using hub = await testRegistry();
  const cases = [
    [undefined, 'BestEffort'],
    [{ requests: { cpu: '100m' } }, 'Burstable'],
    [{ limits: { cpu: '100m', memory: '10Mi' } }, 'Guaranteed'],
    [{ limits: { cpu: '100m', memory: '10Mi' }, requests: { cpu: '50m', memory: '10Mi' } }, 'Burstable'],
  ] as const;
  for (const [index, [resources, qosClass]] of cases.entries()) {
    const created = await hub.create(
      'pods',
      pod({
        metadata: { name: `p${index}` },
        spec: {
          containers: [{ name: 'main', image: 'i', ...(resources === undefined ? {} : { resources }) }],
        },
        status: { phase: 'Running', podIP: '1.2.3.4' },
      }),
    );
    assert.deepEqual({ ...created.status }, { phase: 'Pending', qosClass });
  }
});

test('binding sets the node once and says PodScheduled', async () => {
  await using hub = await testRegistry();
  await create(hub);
  const answer = await bind(hub, 'n1', { annotations: { why: 'spread' } });
  assert.deepEqual(JSON.parse(JSON.stringify(answer)), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    code: 201,
  });
  const bound = await read(hub);
  assert.equal(bound.spec.nodeName, 'n1');
  assert.equal(bound.metadata.annotations?.['why'], 'spread');
  assert.deepEqual(
    bound.status.conditions?.map(({ type, status }) => [type, status]),
    [['PodScheduled', 'True']],
  );
  await assert.rejects(
    bind(hub, 'n2'),
    apiError(
      409,
      'Conflict',
      'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    ),
  );
});

test('of two binders at once one wins and the other conflicts', async () => {
  await using hub = await testRegistry();
  await create(hub);
  const results = await Promise.allSettled([bind(hub, 'n1'), bind(hub, 'n2')]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('bindings of the wrong pod, of a dying one and to nothing are refused', async () => {
  await using hub = await testRegistry();
  await create(hub, { metadata: { name: 'p', finalizers: ['example.com/hold'] } });
  await assert.rejects(
    bind(hub, 'n1', { uid: 'other' }),
    apiError(409, 'Conflict', /UID in precondition: other/),
  );
  await assert.rejects(bind(hub, ''), apiError(422, 'Invalid', /target.name: Required value/));
  await hub.storage('pods').delete(hub.scope('default'), 'p', deleteOptions());
  await assert.rejects(
    bind(hub, 'n1'),
    apiError(409, 'Conflict', /pod p is being deleted, cannot be assigned to a host/),
  );
});

test('an unbound or finished pod is deleted at once, a bound one gracefully', async () => {
  await using hub = await testRegistry();
  const pods = hub.storage('pods');
  await create(hub);
  assert.ok((await pods.delete(hub.scope('default'), 'p', deleteOptions())).gone);

  await create(hub);
  await bind(hub, 'n1');
  await report(hub, 'Succeeded');
  assert.ok((await pods.delete(hub.scope('default'), 'p', deleteOptions())).gone);

  await create(hub);
  await bind(hub, 'n1');
  const { gone, value } = await pods.delete(hub.scope('default'), 'p', deleteOptions());
  assert.equal(gone, false);
  assert.equal(objectOf(value).metadata.deletionTimestamp, '2026-01-01T00:00:30Z');
  assert.equal(objectOf(value).metadata.deletionGracePeriodSeconds, 30);
});

test('a grace period can be cut short but not drawn out, and zero removes the pod', async () => {
  await using hub = await testRegistry();
  const pods = hub.storage('pods');
  await create(hub);
  await bind(hub, 'n1');
  const remove = (gracePeriodSeconds: number) =>
    pods.delete(hub.scope('default'), 'p', deleteOptions({ gracePeriodSeconds }));
  await remove(60);
  const before = hub.store.revision;
  await remove(90);
  assert.equal(hub.store.revision, before);
  hub.clock.jumpWall(5000);
  const shorter = objectOf((await remove(20)).value);
  assert.equal(shorter.metadata.deletionGracePeriodSeconds, 20);
  assert.equal(shorter.metadata.deletionTimestamp, '2026-01-01T00:00:20Z');
  assert.ok((await remove(0)).gone);
});

test('a dying pod with a finalizer outlives its grace period until the finalizer goes', async () => {
  await using hub = await testRegistry();
  const pods = hub.storage('pods');
  await create(hub, { metadata: { name: 'p', finalizers: ['example.com/hold'] } });
  await bind(hub, 'n1');
  await pods.delete(hub.scope('default'), 'p', deleteOptions());
  const { gone, value } = await pods.delete(
    hub.scope('default'),
    'p',
    deleteOptions({ gracePeriodSeconds: 0 }),
  );
  assert.equal(gone, false);
  assert.equal(objectOf(value).metadata.deletionGracePeriodSeconds, 0);
  await change(hub, (current) => ({ ...current, metadata: { ...current.metadata, finalizers: [] } }));
  await assert.rejects(read(hub), apiError(404, 'NotFound', 'pods "p" not found'));
});

test('eviction is a graceful delete', async () => {
  await using hub = await testRegistry();
  await create(hub);
  await bind(hub, 'n1');
  await hub.storage('pods').connect(hub.scope('default'), 'p', 'eviction', {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: newObjectMeta({ name: 'p' }),
    deleteOptions: { gracePeriodSeconds: 7 },
  } as KubernetesObject);
  assert.equal((await read(hub)).metadata.deletionGracePeriodSeconds, 7);
});

test('the spec changes in the few ways that Kubernetes allows', async () => {
  await using hub = await testRegistry();
  await create(hub, { spec: { tolerations: [{ key: 'a', operator: 'Exists' }] } });
  const main = (image: string) => ({ name: 'main', image });
  await change(hub, (current) => {
    const [container] = current.spec.containers;
    assert.ok(container);
    const containers = [{ ...container, image: 'new:2' }];
    const tolerations = [...(current.spec.tolerations ?? []), { key: 'b', operator: 'Exists' as const }];
    return { ...current, spec: { ...current.spec, containers, tolerations, activeDeadlineSeconds: 60 } };
  });
  assert.equal((await read(hub)).spec.containers[0]?.image, 'new:2');
  const refusals: ReadonlyArray<readonly [(spec: Pod['spec']) => Partial<Pod['spec']>, RegExp]> = [
    [
      () => ({ hostNetwork: true }),
      /^Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`,`spec.initContainers\[\*\].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` \(only additions to existing tolerations\),`spec.terminationGracePeriodSeconds` \(allow it to be set to 1 if it was previously negative\)\nchanged: spec\.hostNetwork$/,
    ],
    [
      ({ containers }) => ({
        containers: [
          ...containers,
          { ...containers[0], ...main('x'), name: 'more' } as Pod['spec']['containers'][number],
        ],
      }),
      /pod updates may not add or remove containers/,
    ],
    [() => ({ tolerations: [] }), /existing toleration can not be modified except its tolerationSeconds/],
    [
      () => ({ activeDeadlineSeconds: 120 }),
      /spec.activeDeadlineSeconds: Invalid value: 120: must be less than or equal to previous value/,
    ],
    [() => ({ nodeName: 'n2' }), /spec\.nodeName/],
  ];
  for (const [changes, message] of refusals) {
    await assert.rejects(
      change(hub, (current) => ({ ...current, spec: { ...current.spec, ...changes(current.spec) } })),
      apiError(422, 'Invalid', message),
    );
  }
});

test('spec and status have an endpoint each', async () => {
  await using hub = await testRegistry();
  await create(hub);
  await report(hub, 'Running');
  await change(hub, (current) => ({
    ...current,
    status: { phase: 'Failed' },
    metadata: { ...current.metadata, labels: { a: 'b' } },
  }));
  const now = await read(hub);
  assert.equal(now.status.phase, 'Running');
  assert.equal(now.status.qosClass, 'BestEffort');
  assert.deepEqual(now.metadata.labels, { a: 'b' });
});
