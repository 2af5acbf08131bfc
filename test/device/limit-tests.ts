/** Limits of pods, in the files of cgroup v2 and in effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { podManifest, shell } from '#test/helpers/workloads.js';
import { type DeviceView, FOREVER, figure, ON_DEVICE, SLOW_MS, seconds } from './device-view.js';

export function limitTests(device: () => DeviceView): void {
  test('limits stand in the files of cgroup v2', async () => {
    const container = shell(FOREVER, {
      resources: { limits: { cpu: '200m', memory: '24Mi' }, requests: { cpu: '100m', memory: '16Mi' } },
    });
    await device().kubectl.apply(podManifest('limited', container, ON_DEVICE));
    await device().ready('limited');
    const group = await device().groupOf('limited');
    const read = (files: string) => device().guest.output(`cd ${group} && cat ${files}`);
    assert.equal(await read('cpu.max memory.max'), `20000 100000\n${24 * 2 ** 20}`);
    assert.equal(await read('*/cpu.max'), '20000 100000');
    assert.equal(await read('*/memory.max'), String(24 * 2 ** 20));
    assert.match(await read('*/pids.max'), /^\d+$/);
    assert.match(await read('cgroup.subtree_control'), /cpu.*memory.*pids/);
    await device().kubectl.run(['delete', 'pod', 'limited', '--timeout=60s'], { timeoutMs: SLOW_MS });
    await eventually(
      'its group is gone',
      SLOW_MS,
      async () => (await device().guest.run(`test -e ${group}`)).code !== 0,
    );
  });

  test('a CPU hog stays within its quota', async (t) => {
    const hog = shell('while true; do :; done', { resources: { limits: { cpu: '200m', memory: '16Mi' } } });
    await device().kubectl.apply(podManifest('busy', hog, ON_DEVICE));
    await device().ready('busy');
    const group = await device().groupOf('busy');
    const read = async () => {
      const text = await device().guest.output(`cat ${group}/cpu.stat; cut -d ' ' -f 1 /proc/uptime`);
      const used = Number(/usage_usec (\d+)/.exec(text)?.[1]);
      const throttled = Number(/nr_throttled (\d+)/.exec(text)?.[1]);
      return { used: used / 1e6, throttled, at: Number(text.split('\n').at(-1)) };
    };
    const begin = await read();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const end = await read();
    const share = (end.used - begin.used) / (end.at - begin.at);
    figure(t, 'CPU used under a quota of 20 %', `${(share * 100).toFixed(1)} %`);
    assert.ok(share <= 0.24, `used ${share} of a core`);
    assert.ok(end.throttled > begin.throttled);
    await device().kubectl.run(['delete', 'pod', 'busy', '--timeout=60s'], { timeoutMs: SLOW_MS });
  });

  test('a memory hog is killed inside its limit and reported OOMKilled, every time', async (t) => {
    const hog = shell('x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done', {
      resources: { limits: { memory: '16Mi', cpu: '1' } },
    });
    for (let round = 1; round <= 3; round += 1) {
      const began = performance.now();
      await device().kubectl.apply(
        podManifest(`hog-${round}`, hog, { ...ON_DEVICE, restartPolicy: 'Never' }),
      );
      const terminated = await eventually(
        'the hog has ended',
        SLOW_MS,
        async () => (await device().pod(`hog-${round}`)).status.containerStatuses?.[0]?.state.terminated,
      );
      assert.deepEqual([terminated.reason, terminated.exitCode], ['OOMKilled', 137]);
      figure(t, `memory hog ${round}, applied to OOMKilled`, seconds(performance.now() - began));
      await device().kubectl.run(['delete', 'pod', `hog-${round}`, '--timeout=60s'], {
        timeoutMs: SLOW_MS,
      });
    }
  });

  test('a process killed from outside is not called OOMKilled', async () => {
    await device().kubectl.apply(
      podManifest('shot', shell('sleep 100000'), { ...ON_DEVICE, restartPolicy: 'Never' }),
    );
    await device().ready('shot');
    await device().guest.output(`kill -9 $(cat ${await device().groupOf('shot')}/*/cgroup.procs)`);
    const terminated = await eventually(
      'the pod has ended',
      SLOW_MS,
      async () => (await device().pod('shot')).status.containerStatuses?.[0]?.state.terminated,
    );
    assert.deepEqual([terminated.reason, terminated.exitCode], ['Error', 137]);
    await device().kubectl.run(['delete', 'pod', 'shot', '--timeout=60s'], { timeoutMs: SLOW_MS });
  });

  test('a fork bomb is held by the pids limit', async (t) => {
    const bomb = shell('sleep 1; while true; do sleep 1000 & done', {
      resources: { limits: { memory: '200Mi' } },
    });
    await device().kubectl.apply(podManifest('bomb', bomb, { ...ON_DEVICE, restartPolicy: 'Never' }));
    await eventually(
      'the bomb has started',
      SLOW_MS,
      async () => (await device().pod('bomb')).status.phase !== 'Pending',
    );
    const group = await device().groupOf('bomb');
    const hits = await eventually('the limit is hit', SLOW_MS, async () => {
      const text = await device().guest.output(
        `cat ${group}/*/pids.events ${group}/pids.peak 2>/dev/null || true`,
      );
      const phase = (await device().pod('bomb')).status.phase;
      const count = Number(/max (\d+)/.exec(text)?.[1] ?? 0);
      return count > 0 || phase === 'Failed' ? `${count} forks refused, pod ${phase}` : undefined;
    });
    figure(t, 'fork bomb', hits);
    await device().kubectl.run(['delete', 'pod', 'bomb', '--timeout=120s'], { timeoutMs: SLOW_MS });
    await device().guest.output('true');
  });
}
