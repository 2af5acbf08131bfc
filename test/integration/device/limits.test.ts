/** Limits of real containers: memory, processes, CPU. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { containersMissing, runtimeFixture } from '#test/helpers/device-runtime.js';

const skip = containersMissing() ?? false;

test('a container that outgrows its memory limit is OOM-killed', { skip }, async () => {
  await using fixture = await runtimeFixture();
  // tail keeps what it has read of a line without end.
  const spec = fixture.spec(['sh', '-c', 'exec tail /dev/zero'], {
    container: { resources: { limits: { memory: '16Mi' } } },
  });
  const state = await fixture.exited(await fixture.run(spec));
  assert.equal(state.exitCode, 137);
  assert.equal(state.oomKilled, true);
});

test('a kill for another reason is not reported as OOM', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const id = await fixture.run(
    fixture.spec(['sleep', '1000'], { container: { resources: { limits: { memory: '32Mi' } } } }),
  );
  await fixture.runtime.kill(id, 'SIGKILL');
  const state = await fixture.exited(id);
  assert.equal(state.exitCode, 137);
  assert.equal(state.oomKilled, false);
});

test('the memory of a whole pod is bounded by the pod’s limit', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const spec = fixture.spec(['sh', '-c', 'exec tail /dev/zero']);
  await fixture.runtime.createPodCgroup(spec.key.podUid, { memoryBytes: 24 * 2 ** 20 });
  await fixture.runtime.create(spec);
  const id = `${spec.key.podUid}-app-0`;
  await fixture.runtime.start(id);
  const state = await fixture.exited(id);
  assert.equal(state.exitCode, 137);
  assert.equal(state.oomKilled, true);
});

test('a fork bomb is held by the pids limit and dies with one kill', { skip }, async () => {
  await using fixture = await runtimeFixture({ defaultPidsLimit: 40 });
  const id = await fixture.run(
    fixture.spec(['sh', '-c', 'bomb() { while :; do (sleep 1000 &) 2>/dev/null; sleep 0.05; done; }; bomb']),
  );
  let most = 0;
  for (let look = 0; look < 200 && most < 38; look += 1) {
    const usage = await fixture.runtime.usage();
    most = Math.max(most, usage[0]?.pids ?? 0);
    await systemClock.sleep(50);
  }
  assert.ok(most >= 38 && most <= 40, `saw ${most} processes`);
  await fixture.runtime.kill(id, 'SIGKILL');
  await fixture.exited(id);
  await fixture.runtime.delete(id);
});

test('a CPU hog stays within a tenth of its quota', { skip }, async () => {
  await using fixture = await runtimeFixture();
  const id = await fixture.run(
    fixture.spec(['sh', '-c', 'while :; do :; done'], {
      container: { resources: { limits: { cpu: '200m' } } },
    }),
  );
  const look = async () => ({
    used: (await fixture.runtime.usage()).find((usage) => usage.id === id)?.cpuUsageNanoseconds ?? 0,
    at: process.hrtime.bigint(),
  });
  await systemClock.sleep(300);
  const first = await look();
  await systemClock.sleep(3000);
  const second = await look();
  const share = (second.used - first.used) / Number(second.at - first.at);
  assert.ok(share <= 0.22, `used ${share.toFixed(3)} of a core, allowed 0.2`);
  assert.ok(share > 0.05, `used only ${share.toFixed(3)} of a core`);
});

test('usage shows memory, CPU time and processes', { skip }, async () => {
  await using fixture = await runtimeFixture();
  await fixture.run(fixture.spec(['sh', '-c', 'sleep 100 & sleep 100']));
  const [usage] = await fixture.runtime.usage();
  assert.ok((usage?.memoryWorkingSetBytes ?? 0) > 0);
  assert.ok((usage?.cpuUsageNanoseconds ?? 0) > 0);
  assert.ok((usage?.pids ?? 0) >= 1);
});
