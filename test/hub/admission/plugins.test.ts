import assert from 'node:assert/strict';
import test from 'node:test';
import { admissionChain } from '#hub/admission/chain.js';
import type { AdmissionAttributes, MutatingPlugin, ValidatingPlugin } from '#hub/admission/plugin.js';
import { objectOf } from '#hub/registry/encode.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { settle } from '#test/helpers/fake-clock.js';
import { deployment, device, event, namespace, node, pod, serviceAccount } from '#test/helpers/objects.js';
import { asNew, deleteOptions, testRegistry } from '#test/helpers/registry.js';

test('the chain runs in order, asks only who handles it, and waits for promises', async () => {
  const seen: string[] = [];
  const plugin = (name: string, wait: boolean, handles: boolean): MutatingPlugin & ValidatingPlugin => ({
    name,
    handles: () => handles,
    async admit() {
      if (wait) await settle(1);
      seen.push(`admit ${name}`);
    },
    validate() {
      seen.push(`validate ${name}`);
    },
  });
  const chain = admissionChain([
    plugin('a', true, true),
    plugin('skipped', false, false),
    plugin('b', false, true),
  ]);
  const attributes = {
    operation: 'CREATE',
    group: '',
    resource: 'pods',
    subresource: '',
  } as AdmissionAttributes;
  await chain.mutate(attributes);
  assert.equal(chain.validate(attributes), undefined);
  assert.deepEqual(seen, ['admit a', 'admit b', 'validate a', 'validate b']);
});

test('a pod runs as the default account, with its pull secrets, at priority 0', async () => {
  await using hub = await testRegistry({ defaultAccount: false });
  const imagePullSecrets = [{ name: 'pull' }];
  await hub.create('serviceaccounts', serviceAccount({ metadata: { name: 'default' }, imagePullSecrets }));
  const { spec } = await hub.create('pods', pod({ metadata: { name: 'p' } }));
  assert.equal(spec.serviceAccountName, 'default');
  assert.equal(spec.priority, 0);
  assert.deepEqual(spec.imagePullSecrets, imagePullSecrets);
});

test('a service account that does not exist is named; the default one is waited for', async () => {
  await using hub = await testRegistry();
  await assert.rejects(
    hub.create('pods', pod({ metadata: { name: 'p' }, spec: { serviceAccountName: 'ghost' } })),
    apiError(
      403,
      'Forbidden',
      'pods "p" is forbidden: error looking up service account default/ghost: serviceaccount "ghost" not found',
    ),
  );
  await hub.create('namespaces', namespace({ metadata: { name: 'fresh' } }));
  const pending = hub.create('pods', pod({ metadata: { name: 'p', namespace: 'fresh' } }));
  await settle();
  await hub.create('serviceaccounts', serviceAccount({ metadata: { name: 'default', namespace: 'fresh' } }));
  await hub.clock.advance(100);
  assert.equal((await pending).spec.serviceAccountName, 'default');
});

test('unknown priority and failover classes are refused', async () => {
  await using hub = await testRegistry();
  await assert.rejects(
    hub.create('pods', pod({ metadata: { name: 'p' }, spec: { priorityClassName: 'vip' } })),
    apiError(403, 'Forbidden', 'pods "p" is forbidden: no PriorityClass with name vip was found'),
  );
  const annotations = { 'fleet.covey.dev/failover-class': 'sometimes' };
  await assert.rejects(
    hub.create('pods', pod({ metadata: { name: 'p', annotations } })),
    apiError(
      422,
      'Invalid',
      /metadata.annotations\[fleet.covey.dev\/failover-class\]: Unsupported value: "sometimes": supported values: "exclusive", "fast", "relaxed"/,
    ),
  );
  const template = { metadata: { annotations } };
  await assert.rejects(
    hub.create('deployments', deployment({ metadata: { name: 'd' }, spec: { template } }), 'apps'),
    apiError(422, 'Invalid', /spec.template.metadata.annotations/),
  );
});

test('a pod that no board could hold is refused with the bound', async () => {
  await using hub = await testRegistry();
  const containers = Array.from({ length: 65 }, (_, index) => ({ name: `c${index}`, image: 'i' }));
  await assert.rejects(
    hub.create('pods', pod({ metadata: { name: 'p' }, spec: { containers } })),
    apiError(422, 'Invalid', /spec.containers: Too many: 65: must have at most 64 items/),
  );
});

test('a device changes itself and its pods, and nothing else', async () => {
  await using hub = await testRegistry();
  const user = { username: 'system:device:n1', groups: ['system:devices', 'system:authenticated'] };
  const as = (namespace: string) => hub.scope(namespace, { user });
  for (const name of ['n1', 'n2']) await hub.create('nodes', node({ metadata: { name } }));
  for (const [name, nodeName] of [
    ['mine', 'n1'],
    ['theirs', 'n2'],
  ] as const) {
    await hub.create('pods', pod({ metadata: { name }, spec: { nodeName } }));
  }
  const forbidden = (message: RegExp) => apiError(403, 'Forbidden', message);
  const pods = hub.storage('pods');
  const running = (current: Readonly<KubernetesObject>) =>
    ({ ...current, status: { phase: 'Running' } }) as KubernetesObject;
  await pods.update(as('default'), 'mine', 'status', running);
  await assert.rejects(
    pods.update(as('default'), 'theirs', 'status', running),
    forbidden(/the pod is not bound to device "n1"/),
  );
  const label = (current: Readonly<KubernetesObject>) => ({
    ...current,
    metadata: { ...current.metadata, labels: { a: 'b' } },
  });
  await assert.rejects(
    pods.update(as('default'), 'mine', '', label),
    forbidden(/may only report on pods and delete them/),
  );
  await assert.rejects(
    pods.create(as('default'), asNew(pod({ metadata: { name: 'x' } }))),
    forbidden(/may only report/),
  );
  await assert.rejects(
    pods.delete(as('default'), 'theirs', deleteOptions({ gracePeriodSeconds: 0 })),
    forbidden(/not bound/),
  );
  assert.ok((await pods.delete(as('default'), 'mine', deleteOptions({ gracePeriodSeconds: 0 }))).gone);
  const nodes = hub.storage('nodes');
  const report = (current: Readonly<KubernetesObject>) =>
    ({ ...current, status: { phase: 'x' } }) as KubernetesObject;
  await nodes.update(as(''), 'n1', 'status', report);
  await assert.rejects(
    nodes.update(as(''), 'n2', 'status', report),
    forbidden(/may only create and change its own/),
  );
  const untaint = (current: Readonly<KubernetesObject>) =>
    ({ ...current, spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }) as KubernetesObject;
  await assert.rejects(nodes.update(as(''), 'n1', '', untaint), forbidden(/not allowed to modify taints/));
  const uncordon = (current: Readonly<KubernetesObject>) =>
    ({ ...current, spec: { unschedulable: true } }) as KubernetesObject;
  await assert.rejects(nodes.update(as(''), 'n1', '', uncordon), forbidden(/not allowed to modify its spec/));
  await assert.rejects(nodes.update(as(''), 'n1', '', label), forbidden(/not allowed to modify labels/));
  await assert.rejects(nodes.delete(as(''), 'n1', deleteOptions()), forbidden(/may only create and change/));
  await hub.storage('events').create(as('default'), asNew(event({ metadata: { name: 'e' } })));
  await assert.rejects(
    hub.storage('configmaps').create(as('default'), {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: newObjectMeta({ name: 'c', namespace: 'default' }),
    }),
    forbidden(/device "n1" may not write configmaps/),
  );
});

test('a device neither decides its own failover nor poses with reserved labels', async () => {
  await using hub = await testRegistry();
  const as = hub.scope('', { user: { username: 'system:device:n1', groups: ['system:devices'] } });
  const devices = hub.storage('devices', 'fleet.covey.dev', 'v1alpha1');
  await devices.create(hub.scope(), asNew(device({ metadata: { name: 'n1' } })));
  const relax = (current: Readonly<KubernetesObject>) =>
    ({ ...current, spec: { failoverClass: 'relaxed' } }) as KubernetesObject;
  await assert.rejects(
    devices.update(as, 'n1', '', relax),
    apiError(403, 'Forbidden', /device "n1" is not allowed to modify its spec/),
  );
  const posing = { 'node-restriction.kubernetes.io/vault': 'yes' };
  await assert.rejects(
    hub.storage('nodes').create(as, asNew(node({ metadata: { name: 'n1', labels: posing } }))),
    apiError(403, 'Forbidden', /not allowed to set label node-restriction.kubernetes.io\/vault/),
  );
  const labels = { 'kubernetes.io/arch': 'arm64', room: 'kitchen' };
  await hub.storage('nodes').create(as, asNew(node({ metadata: { name: 'n1', labels } })));
});

test('a device does not decide how it is removed or steered', async () => {
  await using hub = await testRegistry();
  const as = hub.scope('', { user: { username: 'system:device:n1', groups: ['system:devices'] } });
  const devices = hub.storage('devices', 'fleet.covey.dev', 'v1alpha1');
  const nodes = hub.storage('nodes');
  const finalizers = ['fleet.covey.dev/device'];
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'gone', uid: 'gone' };
  await devices.create(hub.scope(), asNew(device({ metadata: { name: 'n1', finalizers } })));
  const withMeta = (metadata: object) => (current: Readonly<KubernetesObject>) => ({
    ...current,
    metadata: { ...current.metadata, ...metadata },
  });
  const refused = (field: string) => apiError(403, 'Forbidden', new RegExp(`not allowed to modify ${field}`));
  for (const [field, value] of [
    ['finalizers', []],
    ['finalizers', [...finalizers, 'example.com/forever']],
    ['ownerReferences', [owner]],
    ['annotations', { 'fleet.covey.dev/reboot': 'x' }],
  ] as const)
    await assert.rejects(devices.update(as, 'n1', '', withMeta({ [field]: value })), refused(field));
  const forever = { name: 'n1', finalizers: ['example.com/forever'] };
  await assert.rejects(nodes.create(as, asNew(node({ metadata: forever }))), refused('finalizers'));
  await nodes.create(as, asNew(node({ metadata: { name: 'n1', annotations: { a: 'b' } } })));
  await assert.rejects(
    nodes.update(as, 'n1', '', withMeta({ ownerReferences: [owner] })),
    refused('ownerReferences'),
  );
  await nodes.update(as, 'n1', '', withMeta({ annotations: { a: 'c' } }));
});

test('a device gets tokens for its pods only', async () => {
  await using hub = await testRegistry();
  const user = { username: 'system:device:n1', groups: ['system:devices'] };
  const bound = objectOf<Pod>(
    await hub
      .storage('pods')
      .create(hub.scope('default'), asNew(pod({ metadata: { name: 'p' }, spec: { nodeName: 'n1' } }))),
  );
  const request = (boundObjectRef: object | undefined) =>
    hub.storage('serviceaccounts').connect(hub.scope('default', { user }), 'default', 'token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: newObjectMeta({}),
      spec: {
        audiences: [],
        expirationSeconds: 600,
        ...(boundObjectRef === undefined ? {} : { boundObjectRef }),
      },
    } as KubernetesObject);
  await request({ kind: 'Pod', name: 'p', uid: bound.metadata.uid });
  await assert.rejects(request(undefined), apiError(403, 'Forbidden', /bound to a pod by name and uid/));
  await assert.rejects(
    request({ kind: 'Pod', name: 'p', uid: 'other' }),
    apiError(403, 'Forbidden', /not bound to device/),
  );
});
