/** Limits hold in the kernel: memory, CPU and processes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import { type PodView, podManifest, shell } from '#test/helpers/workloads.js';

describe('limits', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  const pod = (name: string) => fleet.kubectl.json<PodView>(['get', 'pod', name]);
  const exec = (name: string, script: string) => fleet.kubectl.run(['exec', name, '--', 'sh', '-c', script]);

  before(async () => {
    fleet = await Fleet.start({ devices: 1 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('a memory hog is killed inside its limit and reported OOMKilled', async () => {
    const hog = shell('x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done', {
      resources: { limits: { memory: '24Mi', cpu: '500m' } },
    });
    await fleet.kubectl.apply(podManifest('hog', hog, { restartPolicy: 'Never' }));
    const terminated = await eventually(
      'the hog has ended',
      60_000,
      async () => (await pod('hog')).status.containerStatuses?.[0]?.state.terminated,
    );
    assert.deepEqual([terminated.reason, terminated.exitCode], ['OOMKilled', 137]);
    assert.match(await fleet.kubectl.run(['get', 'pod', 'hog']), /OOMKilled/);
  });

  test('a CPU hog stays within a tenth of its quota', async (t) => {
    const hog = shell('while true; do :; done', { resources: { limits: { cpu: '200m', memory: '16Mi' } } });
    await fleet.kubectl.apply(podManifest('busy', hog));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/busy', '--timeout=60s']);
    // Ticks of a hundredth of a second that the container's first process has used, and the uptime.
    const read = async () => {
      const [stat = '', uptime = ''] = (await exec('busy', 'cat /proc/1/stat /proc/uptime'))
        .trim()
        .split('\n');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { ticks: Number(fields[11]) + Number(fields[12]), seconds: Number(uptime.split(' ')[0]) };
    };
    const begin = await read();
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    const end = await read();
    const share = (end.ticks - begin.ticks) / 100 / (end.seconds - begin.seconds);
    t.diagnostic(`used ${(share * 100).toFixed(1)} % of a core, quota 20 %`);
    assert.ok(share <= 0.22, `used ${share} of a core`);
  });

  test('a fork bomb is held by the pids limit and the device goes on', async () => {
    await fleet.kubectl.apply(
      podManifest('bomb', shell('sleep 1; bomb() { while true; do sleep 1000 & done; }; bomb')),
    );
    await eventually('the bomb runs', 60_000, async () => (await pod('bomb')).status.phase === 'Running');
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    assert.ok(fleet.containerPids('device-1').length < 1_200);
    await fleet.kubectl.apply(podManifest('after', shell('echo fine; sleep 1000')));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/after', '--timeout=60s']);
    await fleet.kubectl.run(['delete', 'pod', 'bomb', '--timeout=60s']);
    await eventually('the bomb is gone', 20_000, () => fleet.containerPids('device-1').length < 50);
  });

  test('a terminal is a terminal', async () => {
    await fleet.kubectl.apply(podManifest('shell', shell('sleep 1000')));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/shell', '--timeout=60s']);
    // script gives kubectl a terminal of its own, as a person has.
    const { execFileSync } = await import('node:child_process');
    const command = `${fleet.kubectl.binary} exec -it shell -- sh -c 'tty; stty size; echo done'`;
    const output = execFileSync('script', ['-qec', `stty rows 33 cols 101; ${command}`, '/dev/null'], {
      env: { ...fleet.kubectl.environment, TERM: 'xterm' },
      encoding: 'utf8',
      timeout: 30_000,
      input: '',
    });
    assert.match(output, /\/dev\/pts\/\d+/);
    assert.match(output, /33 101/);
    assert.match(output, /done/);
  });
});
