/** Limits hold in the kernel: memory, CPU and processes. And terminals are terminals. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import { type PodView, podManifest, shell, TINY } from '#test/helpers/workloads.js';

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
    const { output } = onTerminal("exec -it shell -- sh -c 'tty; stty size; echo done'");
    assert.match(output, /\/dev\/pts\/\d+/);
    assert.match(output, /33 101/);
    assert.match(output, /done/);
  });

  test('run -it is a shell in a pod of its own, which goes with it', async () => {
    // The size comes beside the input, perhaps after it, and first one larger, for programs to draw anew.
    const sized = 'until test "$(stty size 2>&1)" = "33 101"; do sleep 0.1; done';
    const script = `read line; echo "got $line"; ${sized}; echo sized; exit 4`;
    const { status, output } = onTerminal(
      `run visitor -it --rm --restart=Never --image=${TINY} --command -- sh -c '${script}'`,
      'typed\r',
    );
    assert.match(output, /got typed\r\nsized\r\n/);
    assert.equal(status, 4, output);
    assert.equal((await fleet.kubectl.try(['get', 'pod', 'visitor'])).code, 1);
  });

  test('run -i gives a pod what is piped to it, and ends with it', async () => {
    const given = 'line\n'.repeat(20_000);
    const words = ['run', 'counter', '-i', '--rm', '--restart=Never', `--image=${TINY}`, '--command', '--'];
    const result = spawnSync(fleet.kubectl.binary, [...words, 'sh', '-c', 'wc -c; sleep 1'], {
      env: fleet.kubectl.environment,
      encoding: 'utf8',
      timeout: 60_000,
      input: given,
    });
    assert.match(result.stdout, new RegExp(`^\\s*${given.length}\n`));
    assert.equal(result.status, 0, result.stderr);
  });

  /** kubectl on a terminal of its own, as a person has it. */
  function onTerminal(command: string, input = ''): { status: number | null; output: string } {
    const line = `stty rows 33 cols 101; ${fleet.kubectl.binary} ${command}`;
    const { status, stdout } = spawnSync('script', ['-qec', line, '/dev/null'], {
      env: { ...fleet.kubectl.environment, TERM: 'xterm' },
      encoding: 'utf8',
      timeout: 60_000,
      input,
    });
    return { status, output: stdout };
  }
});
