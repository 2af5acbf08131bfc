/** The whole agent on a hollow device and a fake clock, with the test as the hub. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageError } from '#device-agent/images/image-store.js';
import type { PodReport } from '#protocol/link/report.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { device } from '#test/helpers/hollow-agent.js';

const mainState = (report: PodReport) => report.status.containerStatuses?.[0]?.state;

test('a pod runs, is reported as kubelet would, and is removed without a trace', async (t) => {
  const { link, pass, report, agent, runtime } = await device(t);
  const assignment = runAssignment();
  await link.assign(assignment);
  await pass(1_000);
  const { status } = report(assignment.uid);
  assert.equal(status.phase, 'Running');
  assert.deepEqual(
    status.conditions?.map(({ type, status: value }) => `${type}=${value}`),
    ['Initialized=True', 'Ready=True', 'ContainersReady=True', 'PodScheduled=True'],
  );
  assert.equal(status.podIP, '10.88.0.2');
  assert.equal(status.hostIP, '192.0.2.1');
  assert.match(status.containerStatuses?.[0]?.containerID ?? '', /^hollow:\/\//);
  assert.deepEqual(link.reasons(assignment.uid), ['Pulling', 'Pulled', 'Created', 'Started']);

  await link.assign(removeAssignment(assignment.uid));
  await pass(1_000);
  assert.equal(report(assignment.uid).removed, true);
  assert.deepEqual(await runtime.list(), []);
  assert.deepEqual(agent.desired.all(), []);
});

test('a crashing container backs off, counts its restarts and shows how it ended', async (t) => {
  const { link, pass, report } = await device(t, { behaviour: () => ({ afterMs: 100, exitCode: 3 }) });
  const assignment = runAssignment();
  await link.assign(assignment);
  await pass(5_000);
  const status = report(assignment.uid).status.containerStatuses?.[0];
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.state.waiting?.reason, 'CrashLoopBackOff');
  assert.match(
    status?.state.waiting?.message ?? '',
    /^back-off 10s restarting failed container=main pod=web-0_default/,
  );
  assert.equal(status?.lastState.terminated?.exitCode, 3);
  assert.equal(report(assignment.uid).status.phase, 'Running');
  await pass(20_000);
  assert.equal(report(assignment.uid).status.containerStatuses?.[0]?.restartCount, 2);
});

test('a pod that never restarts ends Succeeded and stays so after the agent starts again', async (t) => {
  const machine = await device(t, { behaviour: () => ({ afterMs: 50, exitCode: 0 }) });
  const assignment = runAssignment({ spec: { restartPolicy: 'Never' } });
  await machine.link.assign(assignment);
  await machine.pass(2_000);
  assert.equal(machine.report(assignment.uid).status.phase, 'Succeeded');
  assert.equal(mainState(machine.report(assignment.uid))?.terminated?.reason, 'Completed');
  await machine.agent[Symbol.asyncDispose]();
  await machine.start();
  await machine.pass(2_000);
  assert.equal(machine.report(assignment.uid).status.phase, 'Succeeded');
  assert.deepEqual(await machine.runtime.list(), []);
});

test('a ConfigMap that does not exist is CreateContainerConfigError until the hub sends it', async (t) => {
  const { link, pass, report } = await device(t);
  const spec = {
    containers: [{ name: 'main', image: 'x:1', envFrom: [{ configMapRef: { name: 'settings' } }] }],
  };
  const assignment = runAssignment({ spec });
  await link.assign(assignment);
  await pass(1_000);
  assert.deepEqual(mainState(report(assignment.uid))?.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'configmap "settings" not found',
  });
  assert.equal(report(assignment.uid).status.phase, 'Pending');
  await link.assign({
    ...assignment,
    revision: 'r2',
    resolved: { ...assignment.resolved, configMaps: { settings: { A: 'MQ==' } } },
  });
  await pass(1_000);
  assert.equal(report(assignment.uid).status.phase, 'Running');
});

test('an image that cannot be pulled waits as ErrImagePull, then ImagePullBackOff, and is tried again', async (t) => {
  let broken = true;
  const { link, pass, report } = await device(t, {
    images: (store) => ({
      ...store,
      pull: (reference, options) => {
        if (broken) throw new ImageError('ErrImagePull', 'manifest unknown');
        return store.pull(reference, options);
      },
    }),
  });
  const assignment = runAssignment();
  await link.assign(assignment);
  await pass(500);
  assert.equal(mainState(report(assignment.uid))?.waiting?.reason, 'ErrImagePull');
  await pass(4_000);
  assert.equal(mainState(report(assignment.uid))?.waiting?.reason, 'ImagePullBackOff');
  broken = false;
  await pass(15_000);
  assert.equal(report(assignment.uid).status.phase, 'Running');
});

test('with pull policy Always an unreachable registry does not keep a local image from running', async (t) => {
  let down = false;
  const { link, pass, report } = await device(t, {
    images: (store) => ({
      ...store,
      pull: (reference, options) => {
        if (down) throw new ImageError('RegistryUnavailable', 'connect ECONNREFUSED');
        return store.pull(reference, options);
      },
    }),
  });
  const spec = { containers: [{ name: 'main', image: 'app:latest', imagePullPolicy: 'Always' as const }] };
  await link.assign(runAssignment({ spec }));
  await pass(1_000);
  down = true;
  const second = runAssignment({ metadata: { name: 'web-1' }, spec });
  await link.assign(second);
  await pass(1_000);
  assert.equal(report(second.uid).status.phase, 'Running');
  assert.ok(link.reasons(second.uid).includes('RegistryUnavailable'));
});

test('the agent adopts running containers when it starts again and restarts none', async (t) => {
  const machine = await device(t);
  const assignment = runAssignment();
  await machine.link.assign(assignment);
  await machine.pass(1_000);
  const before = machine.report(assignment.uid).status;
  await machine.agent[Symbol.asyncDispose]();
  machine.link.reports.length = 0;
  await machine.clock.advance(60_000);
  await machine.start();
  await machine.pass(1_000);
  assert.deepEqual(machine.report(assignment.uid).status, before);
  assert.equal(machine.link.reasons(assignment.uid).length, 0);
});

test('an exclusive pod is stopped when the lease runs out and starts again with a new one', async (t) => {
  const { link, pass, report, runtime } = await device(t);
  const exclusive = runAssignment({}, { failoverClass: 'exclusive' });
  const fast = runAssignment({ metadata: { name: 'fast' } });
  await link.assign(exclusive);
  await link.assign(fast);
  assert.equal(link.cadenceClass, 'exclusive');
  await pass(3_000);
  assert.equal(report(exclusive.uid).status.phase, 'Running');
  link.connect(false);
  await pass(7_100);
  const alive = (await runtime.list()).filter((one) => one.status === 'running').map((one) => one.key.podUid);
  assert.deepEqual(alive, [fast.uid]);
  await pass(15_000);
  assert.equal(mainState(report(exclusive.uid))?.waiting?.reason, 'LeaseExpired');
  link.connect(true);
  link.grant(60_000);
  await pass(3_000);
  assert.equal((await runtime.list()).filter((one) => one.status === 'running').length, 2);
});

test('a restarted agent lets exclusive pods run on only to the end of the lease that the earlier one held', async (t) => {
  const machine = await device(t);
  const assignment = runAssignment({}, { failoverClass: 'exclusive' });
  await machine.link.assign(assignment);
  machine.link.grant(10_000);
  await machine.pass(100);
  await machine.agent[Symbol.asyncDispose]();
  machine.link.connect(false);
  const running = async () => (await machine.runtime.list()).filter((one) => one.status === 'running').length;
  await machine.start();
  // The new agent's link holds nothing: only what the earlier agent wrote down counts.
  await machine.pass(5_000);
  assert.equal(await running(), 1);
  await machine.pass(10_000);
  assert.equal(await running(), 0);
});

test('a new image restarts that container only', async (t) => {
  const { link, pass, report } = await device(t);
  const containers = [
    { name: 'main', image: 'a:1' },
    { name: 'other', image: 'b:1' },
  ];
  const assignment = runAssignment({ spec: { containers } });
  await link.assign(assignment);
  await pass(1_000);
  await link.assign({
    ...assignment,
    revision: 'r2',
    pod: {
      ...assignment.pod,
      spec: {
        ...assignment.pod.spec,
        containers: assignment.pod.spec.containers.map((one) =>
          one.name === 'main' ? { ...one, image: 'a:2' } : one,
        ),
      },
    },
  });
  await pass(3_000);
  const [main, other] = report(assignment.uid).status.containerStatuses ?? [];
  assert.equal(main?.restartCount, 1);
  assert.equal(main?.image, 'a:2');
  assert.ok(main?.state.running);
  assert.equal(other?.restartCount, 0);
});

test('init containers run in order, a sidecar stays, and the main container comes last', async (t) => {
  const { link, pass, report, runtime } = await device(t, {
    behaviour: (spec) => (spec.key.name.startsWith('init') ? { afterMs: 500, exitCode: 0 } : undefined),
  });
  const assignment = runAssignment({
    spec: {
      initContainers: [
        { name: 'init-a', image: 'x:1' },
        { name: 'side', image: 'x:1', restartPolicy: 'Always' },
        { name: 'init-b', image: 'x:1' },
      ],
      containers: [{ name: 'main', image: 'x:1' }],
    },
  });
  await link.assign(assignment);
  await pass(100);
  assert.equal(mainState(report(assignment.uid))?.waiting?.reason, 'PodInitializing');
  await pass(3_000);
  const { status } = report(assignment.uid);
  assert.equal(status.phase, 'Running');
  assert.deepEqual(
    status.initContainerStatuses?.map((one) => [one.name, Object.keys(one.state)[0]]),
    [
      ['init-a', 'terminated'],
      ['side', 'running'],
      ['init-b', 'terminated'],
    ],
  );
  assert.equal((await runtime.list()).filter((one) => one.status === 'running').length, 2);
});

test('a pod with a deletion timestamp is stopped and reported removed, and nothing of it is started', async (t) => {
  const { link, pass, report } = await device(t);
  const assignment = runAssignment({
    metadata: { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 1 },
  });
  await link.assign(assignment);
  await pass(1_000);
  assert.equal(report(assignment.uid).removed, true);
  assert.deepEqual(link.reasons(assignment.uid), []);
});

test('a pod past its active deadline fails with DeadlineExceeded', async (t) => {
  const { link, pass, report } = await device(t);
  const assignment = runAssignment({ spec: { activeDeadlineSeconds: 30 } });
  await link.assign(assignment);
  await pass(20_000);
  assert.equal(report(assignment.uid).status.phase, 'Running');
  await pass(20_000);
  const { status } = report(assignment.uid);
  assert.equal(status.phase, 'Failed');
  assert.equal(status.reason, 'DeadlineExceeded');
});

test('a pod that was taken up in 1970 does not pass its deadline when the clock is set, nor at the next start', async (t) => {
  const machine = await device(t);
  const { clock, link, pass, report } = machine;
  const years = clock.now();
  clock.jumpWall(-years);
  const assignment = runAssignment({
    spec: {
      activeDeadlineSeconds: 60,
      containers: [
        { name: 'main', image: 'x:1', livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } },
      ],
    },
  });
  await link.assign(assignment);
  await pass(5_000);
  assert.equal(report(assignment.uid).status.startTime?.slice(0, 4), '1970');
  clock.jumpWall(years);
  await pass(5_000);
  await machine.agent[Symbol.asyncDispose]();
  await machine.start();
  await pass(5_000);
  const { status } = report(assignment.uid);
  assert.deepEqual([status.phase, status.containerStatuses?.[0]?.restartCount], ['Running', 0]);
  await pass(60_000);
  assert.equal(report(assignment.uid).status.reason, 'DeadlineExceeded', 'by the time of this agent');
});
