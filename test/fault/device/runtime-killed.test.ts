/** The process that created containers is killed with SIGKILL: another one finds everything as it is. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import { type ContainerSpec, containerId } from '#device-agent/runtime/runtime.js';
import {
  awaitExit,
  containersMissing,
  type RuntimeFixture,
  runtimeFixture,
} from '#test/helpers/device-runtime.js';

const skip = containersMissing() ?? false;
const CHILD = fileURLToPath(import.meta.resolve('#test/helpers/run-agent-child.js'));

function owner(fixture: RuntimeFixture, specs: readonly ContainerSpec[]): ChildProcess {
  const { dataDir, runDir, cgroupParent } = fixture.options;
  const paths = JSON.stringify({ dataDir, runDir, cgroupParent });
  return spawn(process.execPath, [CHILD, paths, JSON.stringify(specs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function linesUntil(child: ChildProcess, count: number): Promise<void> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  let seen = 0;
  for await (const _ of lines) {
    seen += 1;
    if (seen === count) return;
  }
  throw new Error(`the owner ended after ${seen} of ${count} containers`);
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

test('containers run on and are found again; exits that happened meanwhile have their codes', {
  skip,
}, async () => {
  await using fixture = await runtimeFixture();
  const forever = fixture.spec(['sh', '-c', 'echo before; sleep 2; echo after; sleep 100000']);
  const ending = fixture.spec(['sh', '-c', 'sleep 1; exit 23']);
  const hog = fixture.spec(['sh', '-c', 'sleep 1; exec tail /dev/zero'], {
    container: { resources: { limits: { memory: '16Mi' } } },
  });
  const child = owner(fixture, [forever, ending, hog]);
  await linesUntil(child, 3);
  const before = (await fixture.runtime.list()).find((state) => state.id === containerId(forever.key));
  await killed(child);
  await awaitExit(fixture.runtime, containerId(ending.key), 10_000);
  await awaitExit(fixture.runtime, containerId(hog.key), 10_000);

  await using again = await createRuntime(fixture.options);
  const states = new Map((await again.list()).map((state) => [state.id, state]));
  const survivor = states.get(containerId(forever.key));
  assert.equal(survivor?.status, 'running');
  assert.equal(survivor?.pid, before?.pid);
  assert.equal(survivor?.startedAt, before?.startedAt);
  assert.equal(states.get(containerId(ending.key))?.exitCode, 23);
  assert.equal(states.get(containerId(hog.key))?.exitCode, 137);
  assert.equal(states.get(containerId(hog.key))?.oomKilled, true);
  for (let look = 0; look < 100; look += 1) {
    if (/after/.test(await readFile(forever.logPath, 'utf8'))) break;
    await systemClock.sleep(50);
  }
  assert.match(await readFile(forever.logPath, 'utf8'), /stdout F before\n.*stdout F after\n/);
  await again.kill(containerId(forever.key), 'SIGTERM');
  await again.kill(containerId(forever.key), 'SIGKILL');
  assert.equal((await awaitExit(again, containerId(forever.key), 10_000)).exitCode, 137);
});

test('killed at any instant of creation, the next owner can create the same container', {
  skip,
}, async () => {
  await using fixture = await runtimeFixture();
  for (const delayMs of [60, 110, 150, 190, 230, 280]) {
    const spec = fixture.spec(['sleep', '100000']);
    const child = owner(fixture, [spec]);
    await systemClock.sleep(delayMs);
    await killed(child);
    await using again = await createRuntime(fixture.options);
    await again.createPodCgroup(spec.key.podUid, {});
    await again.create(spec);
    await again.start(containerId(spec.key));
    const state = (await again.list()).find((candidate) => candidate.id === containerId(spec.key));
    assert.equal(state?.status, 'running', `killed after ${delayMs} ms`);
    await again.kill(containerId(spec.key), 'SIGKILL');
    await awaitExit(again, containerId(spec.key), 10_000);
    await again.delete(containerId(spec.key));
    await again.removePodCgroup(spec.key.podUid);
    assert.deepEqual(await again.list(), []);
  }
});

test('a container whose monitor is killed is reported as ended when it ends', { skip }, async () => {
  await using fixture = await runtimeFixture({ rescanIntervalMs: 100 });
  const spec = fixture.spec(['sleep', '100000']);
  const id = await fixture.run(spec);
  const monitor = Number(await readFile(`${fixture.options.runDir}/containers/${id}/conmon.pid`, 'utf8'));
  process.kill(monitor, 'SIGKILL');
  assert.equal((await fixture.runtime.list())[0]?.status, 'running');
  await fixture.runtime.kill(id, 'SIGKILL');
  assert.equal((await fixture.exited(id)).exitCode, 255);
});
