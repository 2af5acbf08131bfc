/** Rules of the planner, one by one, on the model of a pod. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { desiredPod, PodModel } from '#test/helpers/pod-model.js';

const TWO = {
  spec: {
    containers: [
      { name: 'a', image: 'a:1' },
      { name: 'b', image: 'b:1' },
    ],
  },
};
function remove(model: PodModel, gracePeriodSeconds: number): void {
  assert.ok(model.desired);
  const removal = { action: 'remove', uid: model.desired.uid, revision: 'gone', gracePeriodSeconds } as const;
  model.desired = { ...model.desired, removal };
}
const actions = (model: PodModel) => model.taken.map((step) => step.action);

test('a pod is made in the order cgroup, sandbox, volumes, images, containers', () => {
  const model = new PodModel(desiredPod(TWO));
  model.settle();
  assert.deepEqual(
    [...new Set(actions(model))],
    [
      'create-cgroup',
      'create-sandbox',
      'set-up-volumes',
      'ensure-image',
      'create-container',
      'start-container',
    ],
  );
});

test('nothing is planned for a pod that is as it should be', () => {
  const model = new PodModel(desiredPod(TWO));
  model.settle();
  assert.deepEqual(model.plan(), { steps: [], wakeInMs: undefined, waiting: new Map() });
});

const POLICIES = [
  { policy: 'Always', exitCode: 0, restarts: true },
  { policy: 'Always', exitCode: 1, restarts: true },
  { policy: 'OnFailure', exitCode: 0, restarts: false },
  { policy: 'OnFailure', exitCode: 1, restarts: true },
  { policy: 'Never', exitCode: 1, restarts: false },
] as const;
for (const { policy, exitCode, restarts } of POLICIES)
  test(`${policy}: exit code ${exitCode} ${restarts ? 'restarts' : 'is final'}`, () => {
    const model = new PodModel(desiredPod({ spec: { ...TWO.spec, restartPolicy: policy } }));
    model.settle();
    model.end('a', exitCode);
    model.run(1_000);
    assert.equal(model.find('a')?.status === 'running', restarts);
    assert.equal(model.find('b')?.status, 'running');
    assert.equal(model.record.over, undefined, 'the other container keeps the pod going');
    assert.equal(model.record.containers['a']?.attempt, restarts ? 1 : 0);
  });

test('a pod ends when its last container does, failed if any failed, and everything is cleared away', () => {
  for (const [exitCode, phase] of [
    [0, 'Succeeded'],
    [2, 'Failed'],
  ] as const) {
    const model = new PodModel(desiredPod({ spec: { ...TWO.spec, restartPolicy: 'Never' } }));
    model.settle();
    model.end('a', 0);
    model.end('b', exitCode);
    model.settle();
    assert.equal(model.record.over?.phase, phase);
    assert.equal(model.containers.length + model.rootfs.size, 0);
    assert.equal(model.sandbox || model.volumes, false);
    assert.equal(model.record.containers['b']?.final?.exitCode, exitCode);
  }
});

test('a pod that never restarts and was running when the power went is failed, not run a second time', () => {
  const model = new PodModel(desiredPod({ spec: { ...TWO.spec, restartPolicy: 'Never' } }));
  model.settle();
  model.reboot();
  const taken = model.taken.length;
  model.settle();
  assert.equal(
    model.taken.slice(taken).some((step) => step.action === 'create-container'),
    false,
  );
  assert.equal(model.record.over?.phase, 'Failed');
  assert.equal(model.record.containers['a']?.final?.reason, 'ContainerStatusUnknown');
});

test('crash loops wait longer and longer', () => {
  const model = new PodModel(desiredPod({ spec: { containers: [{ name: 'a', image: 'a:1' }] } }));
  model.program = () => 1;
  model.settle();
  const started: number[] = [];
  for (let count = 0; count < 4; count++) {
    const made = model.settle();
    assert.equal(made.waiting.get('a')?.reason, 'CrashLoopBackOff');
    started.push(made.wakeInMs ?? -1);
    model.pass(made.wakeInMs ?? 0);
  }
  assert.deepEqual(started, [10_000, 20_000, 40_000, 80_000]);
});

test('a restarted agent does not shorten the back-off', () => {
  const model = new PodModel(desiredPod({ spec: { containers: [{ name: 'a', image: 'a:1' }] } }));
  model.program = () => 1;
  model.run(31_000);
  assert.equal(model.settle().wakeInMs, 39_000);
  model.restartAgent();
  assert.equal(model.settle().wakeInMs, 39_000);
});

test('deletion sends the stop signal first and kills what is alive after the grace', () => {
  const model = new PodModel(desiredPod({ spec: { ...TWO.spec, terminationGracePeriodSeconds: 20 } }));
  model.settle();
  model.stubborn.add('a');
  const { desired } = model;
  assert.ok(desired?.run);
  desired.run.pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  const made = model.settle();
  assert.equal(model.find('b')?.status, 'exited');
  assert.equal(made.wakeInMs, 20_000);
  model.run(19_000);
  assert.equal(model.find('a')?.status, 'running');
  model.run(1_000);
  assert.equal(model.forgotten, true);
});

test('a removal with less grace shortens a stop that is under way', () => {
  const model = new PodModel(desiredPod({ spec: { ...TWO.spec, terminationGracePeriodSeconds: 60 } }));
  model.settle();
  model.stubborn.add('a').add('b');
  remove(model, 60);
  model.settle();
  remove(model, 0);
  model.settle();
  assert.equal(model.forgotten, true);
});

test('sidecars stop after the main containers, the last one first', () => {
  const model = new PodModel(
    desiredPod({
      spec: {
        initContainers: [
          { name: 's1', image: 's:1', restartPolicy: 'Always' },
          { name: 's2', image: 's:1', restartPolicy: 'Always' },
        ],
        containers: [{ name: 'a', image: 'a:1' }],
      },
    }),
  );
  model.settle();
  remove(model, 9);
  model.settle();
  const stops = model.taken.flatMap((step) => (step.action === 'stop-container' ? [step.container] : []));
  assert.deepEqual(stops, ['a', 's2', 's1']);
});

test('an init container that fails with policy Never fails the pod, and no main container is made', () => {
  const model = new PodModel(
    desiredPod({
      spec: {
        restartPolicy: 'Never',
        initContainers: [{ name: 'i', image: 'i:1' }],
        containers: [{ name: 'a', image: 'a:1' }],
      },
    }),
  );
  model.program = (name) => (name === 'i' ? 5 : undefined);
  model.settle();
  assert.equal(model.record.over?.phase, 'Failed');
  assert.equal(
    model.taken.some((step) => step.action === 'create-container' && step.container === 'a'),
    false,
  );
});

test('a lost sandbox takes its containers down and everything starts anew, init containers included', () => {
  const model = new PodModel(
    desiredPod({
      spec: { initContainers: [{ name: 'i', image: 'i:1' }], containers: [{ name: 'a', image: 'a:1' }] },
    }),
  );
  model.program = (name) => (name === 'i' ? 0 : undefined);
  model.settle();
  model.sandbox = false;
  model.run(5_000);
  assert.equal(model.find('i')?.attempt, 1);
  assert.equal(model.find('a')?.attempt, 1);
  assert.equal(model.find('a')?.status, 'running');
});

test('a step that failed a moment ago is left out until its time, the others go on', () => {
  const model = new PodModel(desiredPod(TWO));
  model.settle();
  model.end('a', 1);
  model.end('b', 1);
  model.activity.failures.set('record-container/a', {
    reason: 'x',
    message: 'disk',
    retryAt: 4_000,
    count: 1,
  });
  model.settle();
  assert.equal(model.find('a')?.status, 'exited');
  assert.equal(model.find('b')?.status, 'running');
  assert.equal(model.settle().wakeInMs, 4_000);
});

test('an exclusive pod under an earlier lease keeps running but starts nothing', () => {
  const model = new PodModel(desiredPod(TWO, { failoverClass: 'exclusive' }));
  model.settle();
  model.lease = { mayRun: true, mayStart: false };
  model.end('a', 1);
  const made = model.settle();
  assert.equal(model.find('b')?.status, 'running');
  assert.equal(made.waiting.get('a')?.reason, 'LeaseExpired');
});
