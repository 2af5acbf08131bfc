import assert from 'node:assert/strict';
import test from 'node:test';
import type { Decision, ResourceAttributes } from '#hub/authz/authorizer.js';
import { deviceAuthorizer } from '#hub/authz/device.js';
import { DeviceGraph } from '#hub/authz/device-graph.js';
import { pod } from '#test/helpers/objects.js';

const DEVICE = { username: 'system:device:n1', groups: ['system:devices', 'system:authenticated'] };

const ask = (verb: string, what: string, changes: Partial<ResourceAttributes> = {}): ResourceAttributes => {
  const [resource = '', subresource = ''] = what.split('/');
  return {
    kind: 'resource',
    user: DEVICE,
    verb,
    group: '',
    version: 'v1',
    resource,
    subresource,
    namespace: 'default',
    name: '',
    ...changes,
  };
};

const boundPod = (name: string, nodeName: string, suffix: string) =>
  pod({
    metadata: { name },
    spec: {
      nodeName,
      serviceAccountName: `sa-${suffix}`,
      imagePullSecrets: [{ name: `pull-${suffix}` }],
      containers: [
        {
          name: 'main',
          image: 'i',
          env: [{ name: 'A', valueFrom: { secretKeyRef: { name: `env-${suffix}`, key: 'k' } } }],
          envFrom: [{ configMapRef: { name: `from-${suffix}` } }],
        },
      ],
      volumes: [
        { name: 'v1', configMap: { name: `vol-${suffix}` } },
        { name: 'v2', projected: { sources: [{ secret: { name: `proj-${suffix}` } }] } },
      ],
    },
  });

test('a device reads itself, its pods and what they refer to, and nothing of others', () => {
  const graph = new DeviceGraph();
  graph.apply(boundPod('mine', 'n1', 'mine'));
  graph.apply(boundPod('theirs', 'n2', 'theirs'));
  const authorizer = deviceAuthorizer(graph);
  const cluster = { namespace: '' };
  const fleet = { namespace: '', group: 'fleet.covey.dev' };
  const lease = { namespace: 'kube-node-lease', group: 'coordination.k8s.io' };
  const cases: ReadonlyArray<readonly [ResourceAttributes, Decision]> = [
    [ask('get', 'nodes', { ...cluster, name: 'n1' }), 'Allow'],
    [ask('patch', 'nodes/status', { ...cluster, name: 'n1' }), 'Allow'],
    [ask('create', 'nodes', cluster), 'Allow'],
    [ask('get', 'nodes', { ...cluster, name: 'n2' }), 'Deny'],
    [ask('patch', 'nodes/status', { ...cluster, name: 'n2' }), 'Deny'],
    [ask('delete', 'nodes', { ...cluster, name: 'n1' }), 'Deny'],
    [ask('list', 'nodes', cluster), 'Deny'],
    [ask('watch', 'nodes', { ...cluster, fieldSelector: 'metadata.name=n1' }), 'Allow'],
    [ask('get', 'devices', { ...fleet, name: 'n1' }), 'Allow'],
    [ask('get', 'devices', { ...fleet, name: 'n2' }), 'Deny'],
    [ask('get', 'pods', { name: 'mine' }), 'Allow'],
    [ask('get', 'pods', { name: 'theirs' }), 'Deny'],
    [ask('list', 'pods', { fieldSelector: 'spec.nodeName=n1' }), 'Allow'],
    [ask('list', 'pods', { fieldSelector: 'spec.nodeName=n2' }), 'Deny'],
    [ask('list', 'pods'), 'Deny'],
    [ask('patch', 'pods/status', { name: 'mine' }), 'Allow'],
    [ask('patch', 'pods', { name: 'mine' }), 'Deny'],
    [ask('create', 'pods'), 'Deny'],
    [ask('create', 'pods/exec', { name: 'mine' }), 'Deny'],
    [ask('get', 'secrets', { name: 'env-mine' }), 'Allow'],
    [ask('get', 'secrets', { name: 'pull-mine' }), 'Allow'],
    [ask('get', 'secrets', { name: 'proj-mine' }), 'Allow'],
    [ask('get', 'configmaps', { name: 'from-mine' }), 'Allow'],
    [ask('get', 'configmaps', { name: 'vol-mine' }), 'Allow'],
    [ask('get', 'secrets', { name: 'env-theirs' }), 'Deny'],
    [ask('get', 'secrets', { name: 'env-mine', namespace: 'other' }), 'Deny'],
    [ask('list', 'secrets'), 'Deny'],
    [ask('update', 'secrets', { name: 'env-mine' }), 'Deny'],
    [ask('create', 'serviceaccounts/token', { name: 'sa-mine' }), 'Allow'],
    [ask('create', 'serviceaccounts/token', { name: 'sa-theirs' }), 'Deny'],
    [ask('create', 'events'), 'Allow'],
    [ask('list', 'events'), 'Deny'],
    [ask('update', 'leases', { ...lease, name: 'n1' }), 'Allow'],
    [ask('update', 'leases', { ...lease, name: 'n2' }), 'Deny'],
    [ask('get', 'deployments', { group: 'apps', name: 'd' }), 'NoOpinion'],
  ];
  for (const [attributes, decision] of cases) {
    assert.equal(authorizer.authorize(attributes).decision, decision, JSON.stringify(attributes));
  }
});

test('what a pod referred to is out of reach once the pod is gone', () => {
  const graph = new DeviceGraph();
  const [one, two] = [boundPod('one', 'n1', 'shared'), boundPod('two', 'n1', 'shared')];
  graph.apply(one);
  graph.apply(two);
  graph.remove(one);
  assert.ok(graph.reaches('n1', 'secrets', 'default', 'env-shared'));
  graph.remove(two);
  assert.ok(!graph.reaches('n1', 'secrets', 'default', 'env-shared'));
  assert.equal(graph.deviceOf('default', 'two'), undefined);
});

test('others are not its business, impostors are refused', () => {
  const authorizer = deviceAuthorizer(new DeviceGraph());
  const other = { username: 'admin', groups: ['system:masters'] };
  assert.equal(authorizer.authorize(ask('get', 'nodes', { user: other })).decision, 'NoOpinion');
  const impostor = { username: 'mallory', groups: ['system:devices'] };
  assert.equal(authorizer.authorize(ask('get', 'nodes', { user: impostor, name: 'n1' })).decision, 'Deny');
});
