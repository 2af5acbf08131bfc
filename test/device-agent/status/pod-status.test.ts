/** The status of pods as kubelet would write it, for states of the model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLeaving } from '#device-agent/plan/plan.js';
import type { ContainerState } from '#device-agent/runtime/runtime.js';
import { podStatus } from '#device-agent/status/pod-status.js';
import { qosClass } from '#device-agent/status/qos-class.js';
import { terminationOf } from '#device-agent/status/termination.js';
import type { PodStatus } from '#protocol/core/v1/pod.js';
import { pod } from '#test/helpers/objects.js';
import { desiredPod, PodModel } from '#test/helpers/pod-model.js';

const ONE = { spec: { containers: [{ name: 'a', image: 'a:1' }] } };

const DELETING = { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };

function statusOf(model: PodModel, previous?: PodStatus): PodStatus {
  const { desired } = model;
  assert.ok(desired?.run);
  return podStatus({
    run: desired.run,
    observed: model.observe(),
    waiting: model.plan().waiting,
    leaving: isLeaving(desired),
    lastEnds: model.activity.lastEnds,
    previous,
    acceptedAt: desired.acceptedAt,
    now: model.now,
    hostIp: '192.0.2.1',
    runtimeVersion: 'crun://1.8',
  });
}

const condition = (status: PodStatus, type: string) => status.conditions?.find((one) => one.type === type);
const first = (status: PodStatus) => status.containerStatuses?.[0];

test('before anything is made: Pending, ContainerCreating, not ready', () => {
  const status = statusOf(new PodModel(desiredPod(ONE)));
  assert.equal(status.phase, 'Pending');
  assert.deepEqual(first(status)?.state, { waiting: { reason: 'ContainerCreating' } });
  assert.equal(condition(status, 'Ready')?.reason, 'ContainersNotReady');
  assert.equal(condition(status, 'Ready')?.message, 'containers with unready status: [a]');
  assert.equal(condition(status, 'Initialized')?.status, 'True');
  assert.equal(status.podIP, undefined);
});

test('with init containers to come: PodInitializing and not initialized', () => {
  const model = new PodModel(
    desiredPod({ spec: { initContainers: [{ name: 'i', image: 'i:1' }], ...ONE.spec } }),
  );
  model.settle();
  const status = statusOf(model);
  assert.equal(status.phase, 'Pending');
  assert.equal(first(status)?.state.waiting?.reason, 'PodInitializing');
  assert.equal(condition(status, 'Initialized')?.message, 'containers with incomplete status: [i]');
  assert.ok(status.initContainerStatuses?.[0]?.state.running);
});

test('running: ready, started, with addresses and container id', () => {
  const model = new PodModel(desiredPod(ONE));
  model.settle();
  const status = statusOf(model);
  assert.equal(status.phase, 'Running');
  assert.equal(condition(status, 'Ready')?.status, 'True');
  assert.equal(status.podIP, '10.0.0.2');
  assert.deepEqual(status.podIPs, [{ ip: '10.0.0.2' }]);
  assert.match(first(status)?.containerID ?? '', /^crun:\/\/.*-a-0$/);
  assert.equal(first(status)?.started, true);
  assert.equal(status.startTime, '1970-01-01T00:00:00Z');
});

test('crash loop: waiting with the end as last state, phase stays Running', () => {
  const model = new PodModel(desiredPod(ONE));
  model.program = () => 9;
  model.run(15_000);
  const status = statusOf(model);
  assert.equal(status.phase, 'Running');
  assert.equal(first(status)?.state.waiting?.reason, 'CrashLoopBackOff');
  assert.equal(first(status)?.lastState.terminated?.exitCode, 9);
  assert.equal(first(status)?.restartCount, 2);
  assert.equal(first(status)?.ready, false);
});

test('running again after a crash: the crash is the last state', () => {
  const model = new PodModel(desiredPod(ONE));
  model.program = (_, attempt) => (attempt === 0 ? 3 : undefined);
  model.settle();
  const status = statusOf(model);
  assert.ok(first(status)?.state.running);
  assert.equal(first(status)?.lastState.terminated?.exitCode, 3);
  assert.equal(first(status)?.restartCount, 1);
});

const ENDS = [
  { exitCode: 0, phase: 'Succeeded', reason: 'PodCompleted' },
  { exitCode: 4, phase: 'Failed', reason: 'PodFailed' },
];
for (const { exitCode, phase, reason } of ENDS)
  test(`over with exit code ${exitCode}: ${phase}, though nothing of it is left`, () => {
    const model = new PodModel(desiredPod({ spec: { ...ONE.spec, restartPolicy: 'Never' } }));
    model.settle();
    model.end('a', exitCode);
    model.settle();
    assert.equal(model.containers.length, 0);
    const status = statusOf(model);
    assert.equal(status.phase, phase);
    assert.equal(first(status)?.state.terminated?.exitCode, exitCode);
    assert.equal(condition(status, 'Ready')?.reason, reason);
    assert.equal(first(status)?.restartCount, 0);
  });

test('a pod that was stopped and cleared away has not restarted', () => {
  const model = new PodModel(desiredPod(ONE));
  model.settle();
  const before = statusOf(model);
  assert.ok(model.desired);
  const { uid } = model.desired;
  model.desired = {
    ...model.desired,
    removal: { action: 'remove', uid, revision: '', gracePeriodSeconds: 0 },
  };
  model.settle();
  assert.equal(model.forgotten, true);
  assert.equal(first(statusOf(model, before))?.restartCount, 0);
});

const DELETIONS = [
  { name: 'ended on the signal', exitCode: undefined, phase: 'Failed', reason: 'PodFailed', code: 143 },
  { name: 'ended with success', exitCode: 0, phase: 'Succeeded', reason: 'PodCompleted', code: 0 },
];
for (const { name, exitCode, phase, reason, code } of DELETIONS)
  test(`a deleted pod whose container ${name} is ${phase} before it goes`, () => {
    const model = new PodModel(desiredPod(ONE));
    model.settle();
    const before = statusOf(model);
    model.desired = desiredPod({ ...ONE, metadata: DELETING });
    assert.equal(statusOf(model, before).phase, 'Running', 'while it still runs');
    if (exitCode !== undefined) model.end('a', exitCode);
    model.settle();
    assert.equal(model.forgotten, true);
    const status = statusOf(model, before);
    assert.equal(status.phase, phase);
    assert.equal(first(status)?.state.terminated?.exitCode, code);
    assert.equal(condition(status, 'Ready')?.reason, reason);
  });

test('a deleted pod has not ended while a sidecar of it still runs', () => {
  const sidecar = { name: 's', image: 's:1', restartPolicy: 'Always' };
  const spec = { initContainers: [sidecar], ...ONE.spec };
  const model = new PodModel(desiredPod({ spec }));
  model.settle();
  const before = statusOf(model);
  model.desired = desiredPod({ spec, metadata: DELETING });
  model.stubborn.add('s');
  model.settle();
  assert.ok(statusOf(model, before).initContainerStatuses?.[0]?.state.running);
  assert.ok(first(statusOf(model, before))?.state.terminated);
  assert.equal(statusOf(model, before).phase, 'Running');
  model.run(60_000);
  assert.equal(model.forgotten, true);
  assert.equal(statusOf(model, before).phase, 'Failed');
});

test('a deleted pod of which nothing ever ran is Failed', () => {
  const model = new PodModel(desiredPod({ ...ONE, metadata: DELETING }));
  model.settle();
  assert.equal(statusOf(model).phase, 'Failed');
});

test('a deleted pod that was cleared away while the agent was restarted has lost its end, and is Failed', () => {
  const model = new PodModel(desiredPod(ONE));
  model.settle();
  const before = statusOf(model);
  model.desired = desiredPod({ ...ONE, metadata: DELETING });
  model.settle();
  model.restartAgent();
  const status = statusOf(model, before);
  assert.equal(status.phase, 'Failed');
  assert.equal(first(status)?.state.terminated?.reason, 'ContainerStatusUnknown');
  assert.equal(first(status)?.restartCount, 0);
});

test('transition times change with a condition and not otherwise', () => {
  const model = new PodModel(desiredPod(ONE));
  const pending = statusOf(model);
  model.settle();
  model.pass(60_000);
  const running = statusOf(model, pending);
  model.pass(60_000);
  const later = statusOf(model, running);
  assert.notEqual(
    condition(running, 'Ready')?.lastTransitionTime,
    condition(pending, 'Ready')?.lastTransitionTime,
  );
  assert.equal(
    condition(running, 'Initialized')?.lastTransitionTime,
    condition(pending, 'Initialized')?.lastTransitionTime,
  );
  assert.deepEqual(later, running);
});

test('whether a pod with readiness gates is ready is left to the hub; its containers are', () => {
  const model = new PodModel(
    desiredPod({ spec: { ...ONE.spec, readinessGates: [{ conditionType: 'x/y' }] } }),
  );
  model.settle();
  const status = statusOf(model);
  assert.equal(condition(status, 'ContainersReady')?.status, 'True');
  assert.equal(condition(status, 'Ready'), undefined);
});

const STATE: ContainerState = {
  id: 'x',
  key: { podUid: 'u', name: 'a', attempt: 0 },
  status: 'exited',
  createdAt: 0,
  startedAt: 1,
  finishedAt: 2,
  oomKilled: false,
};
const REASONS = [
  { name: 'success', change: { exitCode: 0 }, exitCode: 0, reason: 'Completed' },
  { name: 'failure', change: { exitCode: 3 }, exitCode: 3, reason: 'Error' },
  { name: 'killed', change: { exitCode: 137 }, exitCode: 137, reason: 'Error' },
  { name: 'out of memory', change: { exitCode: 137, oomKilled: true }, exitCode: 137, reason: 'OOMKilled' },
  { name: 'unknown end', change: {}, exitCode: 137, reason: 'ContainerStatusUnknown' },
];
for (const { name, change, exitCode, reason } of REASONS)
  test(`how a run ended: ${name}`, () => {
    const end = terminationOf({ ...STATE, ...change }, undefined);
    assert.deepEqual([end.exitCode, end.reason], [exitCode, reason]);
  });

test('a container could not run when starting it failed, whatever its exit code', () => {
  const { startedAt: _never, ...state } = STATE;
  for (const exitCode of [0, 1, 127, 137]) {
    const end = terminationOf({ ...state, exitCode, startError: 'exec format error' }, undefined);
    assert.deepEqual([end.reason, end.message], ['ContainerCannotRun', 'exec format error']);
  }
  // Over, and the agent killed, before its start was on record.
  assert.equal(terminationOf({ ...state, exitCode: 0 }, undefined).reason, 'Completed');
  for (const exitCode of [1, 126, 127, 128])
    assert.equal(terminationOf({ ...state, exitCode }, undefined).reason, 'Error', String(exitCode));
});

const RESOURCES = { cpu: '1', memory: '64Mi' };
const QOS = [
  { name: 'nothing set', resources: {}, expected: 'BestEffort' },
  { name: 'limits only', resources: { limits: RESOURCES }, expected: 'Guaranteed' },
  {
    name: 'equal',
    resources: { limits: RESOURCES, requests: { cpu: '1000m', memory: '64Mi' } },
    expected: 'Guaranteed',
  },
  {
    name: 'requests below limits',
    resources: { limits: RESOURCES, requests: { cpu: '1m' } },
    expected: 'Burstable',
  },
  { name: 'one resource', resources: { limits: { cpu: '1' } }, expected: 'Burstable' },
];
for (const { name, resources, expected } of QOS)
  test(`quality of service: ${name}`, () => {
    const made = pod({ spec: { containers: [{ name: 'a', image: 'x', resources }] } });
    assert.equal(qosClass(made.spec), expected);
  });
