/** The whole agent on a hollow device and a fake clock, with the test as the hub. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Agent } from '#device-agent/agent.js';
import { parseConfig } from '#device-agent/config.js';
import { createHollowImageStore } from '#device-agent/images/hollow.js';
import { ImageError, type ImageStore } from '#device-agent/images/image-store.js';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import { createHollowRuntime, type HollowExit } from '#device-agent/runtime/hollow.js';
import type { ContainerSpec, Runtime } from '#device-agent/runtime/runtime.js';
import { createHollowVolumes } from '#device-agent/volumes/hollow.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { PodReport } from '#protocol/link/report.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { FakeLink } from '#test/helpers/fake-link.js';
import { tempDir } from '#test/helpers/temp-dir.js';

interface Device {
  readonly clock: FakeClock;
  readonly link: FakeLink;
  agent: Agent;
  readonly runtime: Runtime;
  /** Lets time pass until nothing is left to do. */
  pass(ms: number): Promise<void>;
  report(uid: string): PodReport;
  start(): Promise<void>;
}

interface DeviceChange {
  /** More flags of the agent. */
  readonly args?: readonly string[];
  readonly behaviour?: (spec: ContainerSpec) => HollowExit | undefined;
  readonly images?: (store: ImageStore) => ImageStore;
}

async function device(t: TestContext, change: DeviceChange = {}): Promise<Device> {
  const root = await tempDir(t);
  const clock = new FakeClock();
  const link = new FakeLink(clock);
  const runtime = createHollowRuntime({
    clock,
    ...(change.behaviour && { behaviour: change.behaviour }),
  });
  const store = createHollowImageStore();
  const parts = {
    runtime,
    images: change.images?.(store) ?? store,
    network: createHollowNetwork({ subnet: '10.88.0.0/24' }),
    volumes: createHollowVolumes(),
  };
  const config = parseConfig(
    [
      '--data',
      `${root}/data`,
      '--run-dir',
      `${root}/run`,
      '--hollow',
      '--address',
      '192.0.2.1',
      ...(change.args ?? []),
    ],
    {},
    'pi-1',
  );
  assert.ok(config);
  const begin = () =>
    Agent.start({
      config,
      agentVersion: 'test',
      clock,
      kernelClock: () => clock.monotonic(),
      random: () => 0.5,
      logger: silentLogger,
      parts,
      connect: async () => link,
    });
  const made: Device = {
    clock,
    link,
    runtime,
    agent: await begin(),
    async pass(ms) {
      // In small steps: what a timer sets off touches the disk, for which a fake clock does not wait.
      for (let left = ms; left >= 0; left -= 100) {
        await made.agent.loop.settled();
        await clock.advance(Math.min(100, left));
        await made.agent.loop.settled();
      }
      await clock.advance(0);
    },
    report(uid) {
      const last = link.last(uid);
      assert.ok(last, `no report of ${uid}`);
      return last;
    },
    async start() {
      made.agent = await begin();
    },
  };
  t.after(() => made.agent[Symbol.asyncDispose]());
  link.connect(true);
  link.grant(10_000);
  return made;
}

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

const GPIO = 'covey.dev/gpio';
const gpioPod = (amount = 1, more: object = {}) =>
  runAssignment({
    spec: {
      containers: [
        { name: 'main', image: 'x:1', resources: { limits: { [GPIO]: String(amount) } }, ...more },
      ],
    } as never,
  });

test('hardware is capacity; a pod that finds too little is rejected as kubelet does', async (t) => {
  const { link, pass, report } = await device(t, { args: ['--claim-hardware', 'gpio=2'] });
  await pass(100);
  assert.equal(link.nodeReports.at(-1)?.status.capacity?.[GPIO], '2');
  assert.equal(link.nodeReports.at(-1)?.status.allocatable?.[GPIO], '2');
  const first = gpioPod(2);
  await link.assign(first);
  await pass(1_000);
  assert.equal(report(first.uid).status.phase, 'Running');
  assert.ok(link.reasons(first.uid).includes('HardwareAllocated'));
  const second = gpioPod();
  await link.assign(second);
  await pass(1_000);
  const { status } = report(second.uid);
  assert.equal(status.phase, 'Failed');
  assert.equal(status.reason, 'UnexpectedAdmissionError');
  assert.match(status.message ?? '', /unavailable for covey\.dev\/gpio\. Requested: 1, Available: 0/);
  assert.ok(link.reasons(second.uid).includes('UnexpectedAdmissionError'));
});

test('a pod waits for hardware that a pod which is being stopped holds', async (t) => {
  const { link, pass, report } = await device(t, { args: ['--claim-hardware', 'gpio=1'] });
  const first = gpioPod(1, { lifecycle: { preStop: { sleep: { seconds: 5 } } } });
  await link.assign(first);
  await pass(1_000);
  await link.assign(removeAssignment(first.uid, 10));
  const second = gpioPod();
  await link.assign(second);
  await pass(1_000);
  assert.equal(mainState(report(second.uid))?.waiting?.reason, 'HardwareUnavailable');
  assert.equal(report(second.uid).status.phase, 'Pending');
  await pass(10_000);
  assert.equal(report(first.uid).removed, true);
  assert.equal(report(second.uid).status.phase, 'Running');
});

test('a pod that has ended gives its hardware back, and a restarted agent knows who has it', async (t) => {
  const machine = await device(t, {
    args: ['--claim-hardware', 'gpio=1'],
    behaviour: ({ container }) =>
      container.command?.[0] === 'end' ? { afterMs: 100, exitCode: 0 } : undefined,
  });
  const { link, pass, report } = machine;
  const ends = gpioPod(1, { command: ['end'] });
  ends.pod.spec.restartPolicy = 'Never';
  await link.assign(ends);
  await pass(2_000);
  assert.equal(report(ends.uid).status.phase, 'Succeeded');
  const next = gpioPod();
  await link.assign(next);
  await pass(1_000);
  assert.equal(report(next.uid).status.phase, 'Running');
  await machine.agent[Symbol.asyncDispose]();
  await machine.start();
  const late = gpioPod();
  await link.assign(late);
  await pass(1_000);
  assert.equal(report(next.uid).status.phase, 'Running');
  assert.equal(report(late.uid).status.reason, 'UnexpectedAdmissionError');
});
