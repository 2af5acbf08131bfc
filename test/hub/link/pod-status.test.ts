/** What a report makes of a pod's status, and of a device's Node. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import { nodeLabels, nodeStatus, traitLabels } from '#hub/link/node-status.js';
import { judgeReport } from '#hub/link/pod-status.js';
import type { PodReport } from '#protocol/link/report.js';
import { pod } from '#test/helpers/objects.js';

const report = (status: PodReport['status']): PodReport => ({
  uid: 'u',
  namespace: 'default',
  name: 'web-0',
  revision: 'r',
  status,
  removed: false,
  events: [],
});

test('conditions of others and the hub’s own fields stay; what the device no longer says goes', () => {
  const subject = pod({
    status: {
      phase: 'Running',
      qosClass: 'BestEffort',
      startTime: '2026-01-01T00:00:00Z',
      reason: 'Old',
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: 'False' },
      ],
    },
  });
  const judged = judgeReport(
    subject,
    report({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }),
  );
  assert.deepEqual(judged, {
    verdict: 'write',
    status: {
      phase: 'Running',
      qosClass: 'BestEffort',
      startTime: '2026-01-01T00:00:00Z',
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    },
  });
});

test('an unchanged status is not written', () => {
  const subject = pod({ status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } });
  assert.equal(judgeReport(subject, report(subject.status)).verdict, 'same');
});

test('a pod that the API has ended does not come back to life', () => {
  const subject = pod({ status: { phase: 'Failed', reason: 'Evicted' } });
  assert.equal(judgeReport(subject, report({ phase: 'Running' })).verdict, 'ended');
  assert.equal(judgeReport(subject, report({ phase: 'Failed' })).verdict, 'write');
});

test('whether a pod with readiness gates is ready is not the device’s to say', () => {
  const gate = { type: 'x/y', status: 'True' };
  const ready = { type: 'Ready', status: 'True' };
  const subject = pod({
    spec: { readinessGates: [{ conditionType: 'x/y' }] },
    status: { phase: 'Running', conditions: [gate, ready] },
  });
  const containersReady = { type: 'ContainersReady', status: 'True' };
  const judged = judgeReport(
    subject,
    report({ phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }, containersReady] }),
  );
  assert.ok(judged.verdict === 'write');
  assert.deepEqual(judged.status.conditions, [gate, ready, containersReady]);
});

const hello = {
  agentVersion: '1',
  bootId: 'b',
  profile: 'rpi 4',
  spool: 's',
  cadenceClass: 'idle' as const,
  labels: {
    'kubernetes.io/hostname': 'root',
    'x.k8s.io/a': 'b',
    rack: 'one',
    'acme.io/role': 'edge',
    bad: 'a b',
  },
  node: { capacity: { cpu: '4' } },
  has: {},
};

test('a device cannot label itself as Kubernetes or the fleet would', () => {
  const labels = nodeLabels({ device: 'kitchen', epoch: 1, hello, report: undefined });
  assert.deepEqual(labels, {
    rack: 'one',
    'acme.io/role': 'edge',
    'kubernetes.io/hostname': 'kitchen',
    'kubernetes.io/os': 'linux',
    'fleet.covey.dev/profile': 'rpi-4',
  });
});

test('traits of the board are labels, where its profile states them', async () => {
  const profiles = await loadProfiles();
  const labelsOf = (name: string) => traitLabels(profiles.find(({ metadata }) => metadata.name === name));
  assert.deepEqual(labelsOf('raspberry-pi-cm4'), {
    'fleet.covey.dev/storage': 'emmc',
    'fleet.covey.dev/throttle-celsius': '80',
  });
  assert.deepEqual(labelsOf('generic-arm64'), {});
  assert.deepEqual(labelsOf('none'), {});
});

test('a node condition that says the same keeps its times, and those of others stay', () => {
  const before = {
    type: 'Ready',
    status: 'True',
    reason: 'R',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const other = { type: 'NetworkUnavailable', status: 'False' };
  const now = {
    ...before,
    lastTransitionTime: '2026-02-02T00:00:00Z',
    lastHeartbeatTime: '2026-02-02T00:00:00Z',
  };
  const facts = { device: 'kitchen', epoch: 1, hello, report: { status: { conditions: [now] } } };
  const status = nodeStatus({ conditions: [before, other] }, facts);
  assert.deepEqual(status.conditions, [other, before]);
  assert.deepEqual(status.capacity, { cpu: '4' });
});
