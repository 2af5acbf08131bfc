import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeVerdict } from '#device-agent/observe/observed.js';
import { type ProbedContainer, Prober } from '#device-agent/probes/prober.js';
import { containerSchema } from '#protocol/core/v1/pod.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

const EXEC = { exec: { command: ['check'] }, periodSeconds: 10, failureThreshold: 3 };

interface Setup extends Disposable {
  readonly clock: FakeClock;
  readonly verdicts: ProbeVerdict[];
  readonly failures: string[];
  readonly last: () => ProbeVerdict | undefined;
  readonly calls: () => number;
  exitCode: number;
  hang: boolean;
}

function setUp(probes: object, earlier?: ProbedContainer['earlier']): Setup {
  const clock = new FakeClock();
  const verdicts: ProbeVerdict[] = [];
  const failures: string[] = [];
  let calls = 0;
  const prober = new Prober({
    clock,
    random: () => 0,
    network: { connect: () => Promise.reject(new Error('refused')) },
    runtime: {
      exec: async ({ signal }) => {
        calls += 1;
        const exit = setup.hang
          ? new Promise<number>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          : Promise.resolve(setup.exitCode);
        // Whoever gives up on the process does not wait for its end.
        exit.catch(() => undefined);
        return {
          stdout: (async function* () {})(),
          stderr: (async function* () {})(),
          write: async () => undefined,
          endStdin: () => undefined,
          resize: () => undefined,
          exit,
          async [Symbol.asyncDispose]() {},
        };
      },
    },
  });
  const setup: Setup = {
    clock,
    verdicts,
    failures,
    exitCode: 0,
    hang: false,
    last: () => verdicts.at(-1),
    calls: () => calls,
    [Symbol.dispose]: () => prober[Symbol.dispose](),
  };
  prober.watch({
    podUid: 'u',
    containerId: 'c',
    container: containerSchema.parse({ name: 'main', ...probes }),
    startedAt: clock.now(),
    earlier,
    onVerdict: (verdict) => verdicts.push(verdict),
    onFailure: (kind, message) => failures.push(`${kind}: ${message}`),
  });
  return setup;
}

test('without probes a container is started and ready at once', () => {
  using setup = setUp({});
  assert.deepEqual(setup.verdicts, [{ started: true, ready: true }]);
  assert.equal(setup.clock.pendingTimers, 0);
});

test('a wall clock that jumps by decades does not cut the initial delay of a later probe short', async () => {
  using setup = setUp({
    startupProbe: { ...EXEC, initialDelaySeconds: 1 },
    livenessProbe: { ...EXEC, initialDelaySeconds: 30 },
  });
  setup.clock.jumpWall(56 * 365 * 24 * 3_600_000);
  await setup.clock.advance(1_000);
  assert.equal(setup.calls(), 1);
  await setup.clock.advance(28_999);
  assert.equal(setup.calls(), 1);
  await setup.clock.advance(1);
  assert.equal(setup.calls(), 2);
});

test('readiness is false until its first success and after three failures', async () => {
  using setup = setUp({ readinessProbe: { ...EXEC, initialDelaySeconds: 5 } });
  assert.equal(setup.last()?.ready, false);
  await setup.clock.advance(4_999);
  assert.equal(setup.calls(), 0);
  await setup.clock.advance(1);
  assert.equal(setup.last()?.ready, true);
  setup.exitCode = 1;
  await setup.clock.advance(29_000);
  assert.equal(setup.last()?.ready, true);
  await setup.clock.advance(1_000);
  assert.equal(setup.last()?.ready, false);
  assert.equal(setup.last()?.unhealthy, undefined);
  assert.deepEqual(setup.failures, Array(3).fill('readiness: command exited with 1'));
});

test('liveness fails for good after three failures in a row, and is then asked no more', async () => {
  using setup = setUp({ livenessProbe: EXEC });
  await setup.clock.advance(0);
  setup.exitCode = 1;
  await setup.clock.advance(20_000);
  setup.exitCode = 0;
  await setup.clock.advance(10_000);
  setup.exitCode = 1;
  await setup.clock.advance(20_000);
  assert.equal(setup.last()?.unhealthy, undefined, 'two, a success, two');
  await setup.clock.advance(10_000);
  assert.equal(setup.last()?.unhealthy, 'liveness');
  const calls = setup.calls();
  await setup.clock.advance(100_000);
  assert.equal(setup.calls(), calls);
});

test('nothing else is probed before the startup probe has succeeded', async () => {
  using setup = setUp({
    startupProbe: { ...EXEC, failureThreshold: 5 },
    livenessProbe: EXEC,
    readinessProbe: EXEC,
  });
  setup.exitCode = 1;
  await setup.clock.advance(30_000);
  assert.ok(setup.failures.every((failure) => failure.startsWith('startup')));
  assert.deepEqual(setup.last(), { started: false, ready: false });
  setup.exitCode = 0;
  await setup.clock.advance(10_000);
  assert.equal(setup.last()?.started, true);
  assert.equal(setup.last()?.ready, true);
});

test('a startup probe that never succeeds makes the container unhealthy', async () => {
  using setup = setUp({ startupProbe: EXEC });
  setup.exitCode = 1;
  await setup.clock.advance(20_000);
  assert.equal(setup.last()?.unhealthy, 'startup');
});

test('a probe that does not answer in its time has failed', async () => {
  using setup = setUp({ readinessProbe: { ...EXEC, timeoutSeconds: 2, failureThreshold: 1 } });
  setup.hang = true;
  await setup.clock.advance(2_000);
  assert.deepEqual(setup.failures, ['readiness: command timed out']);
});

test('an adopted container keeps its readiness until a probe disproves it', async () => {
  using setup = setUp({ readinessProbe: EXEC, startupProbe: EXEC }, { started: true, ready: true });
  assert.deepEqual(setup.last(), { started: true, ready: true });
  setup.exitCode = 1;
  await setup.clock.advance(20_000);
  assert.deepEqual(setup.last(), { started: true, ready: false });
});

test('disposal leaves no timer and reports nothing more', async () => {
  const setup = setUp({ readinessProbe: EXEC, livenessProbe: EXEC });
  await setup.clock.advance(10);
  setup[Symbol.dispose]();
  assert.equal(setup.clock.pendingTimers, 0);
});
