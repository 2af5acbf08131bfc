/** Rules of Deployments and ReplicaSets, and of the smaller kinds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindByGvk } from '#protocol/kinds.js';
import { validateObject } from '#protocol/meta/decode.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import {
  clusterRole,
  configMap,
  deployment,
  device,
  node,
  replicaSet,
  role,
  roleBinding,
  secret,
} from '../../../helpers/objects.js';

function problems(object: KubernetesObject): string[] {
  const [version = '', group = ''] = object.apiVersion.split('/').reverse();
  const info = kindByGvk(group, version, object.kind);
  assert.ok(info);
  return validateObject(info, object).map(({ field, message }) => `${field}: ${message}`);
}

test('the builders make valid objects', () => {
  for (const object of [
    deployment(),
    replicaSet(),
    configMap(),
    secret(),
    node(),
    role(),
    clusterRole(),
    roleBinding(),
    device(),
  ]) {
    assert.deepEqual(problems(object), [], object.kind);
  }
});

test('the selector must match the template', () => {
  const labels = { app: 'other' };
  for (const object of [
    deployment({ spec: { template: { metadata: { labels } } } }),
    replicaSet({ spec: { template: { metadata: { labels } } } }),
  ]) {
    assert.deepEqual(problems(object), [
      'spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`',
    ]);
  }
});

test('a workload restarts its pods always', () => {
  assert.deepEqual(problems(deployment({ spec: { template: { spec: { restartPolicy: 'Never' } } } })), [
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ]);
});

test('a rolling update must be able to move', () => {
  const rollingUpdate = { maxSurge: 0, maxUnavailable: '0%' };
  assert.deepEqual(problems(deployment({ spec: { strategy: { rollingUpdate } } })), [
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
  ]);
  assert.equal(
    problems(deployment({ spec: { strategy: { rollingUpdate: { maxSurge: 'some' } } } })).length,
    1,
  );
});

test('Recreate has no rolling update', () => {
  const strategy = { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } as const;
  assert.deepEqual(problems(deployment({ spec: { strategy } })), [
    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
  ]);
});

test('the deadline must be longer than the wait for readiness', () => {
  assert.deepEqual(problems(deployment({ spec: { minReadySeconds: 600 } })), [
    'spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds',
  ]);
});

test('ConfigMap keys are file names', () => {
  assert.match(
    problems(configMap({ data: { 'a/b': 'x' } }))[0] ?? '',
    /^data\[a\/b\]: Invalid value: "a\/b": a valid config key/,
  );
});

test('a TLS secret needs both files', () => {
  assert.deepEqual(problems(secret({ type: 'kubernetes.io/tls' })), [
    'data[tls.crt]: Required value',
    'data[tls.key]: Required value',
  ]);
});

test('rules of a namespaced role stay within resources', () => {
  const rules = [{ verbs: ['get'], nonResourceURLs: ['/x'] }];
  assert.equal(problems(role({ rules })).length, 1);
  assert.deepEqual(problems(clusterRole({ rules })), []);
});

test('a binding refers to a role that it can give', () => {
  assert.deepEqual(problems(roleBinding({ roleRef: { kind: 'Pod' } })), [
    'roleRef.kind: Unsupported value: "Pod": supported values: "ClusterRole", "Role"',
  ]);
});

test('taints are unique by key and effect', () => {
  const taint = { key: 'a', effect: 'NoSchedule' } as const;
  assert.match(
    problems(node({ spec: { taints: [taint, taint] } }))[0] ?? '',
    /^spec\.taints\[1\]: Duplicate value/,
  );
});

test('a device beats at least once a day', () => {
  assert.equal(problems(device({ spec: { beatIntervalSeconds: 0 } })).length, 1);
});
