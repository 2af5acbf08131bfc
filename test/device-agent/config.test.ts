import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText, parseConfig, UsageError } from '#device-agent/config.js';

const parse = (args: string[], env: NodeJS.ProcessEnv = {}) => parseConfig(args, env, 'Board-7');

test('the defaults of a service', () => {
  const config = parse([]);
  assert.equal(config?.name, 'board-7');
  assert.equal(config?.dataDir, '/var/lib/covey');
  assert.equal(config?.runDir, '/run/covey');
  assert.equal(config?.cgroupParent, 'covey/board-7');
  assert.equal(config?.join, undefined);
});

test('flags win over the environment, the environment over defaults', () => {
  const env = { COVEY_NAME: 'pi-2', COVEY_RUN_DIR: '/run/x', COVEY_HOLLOW: '1', COVEY_LABELS: 'a=b,c=d=e' };
  const config = parse(['--name', 'pi-3'], env);
  assert.equal(config?.name, 'pi-3');
  assert.equal(config?.runDir, '/run/x');
  assert.equal(config?.hollow, true);
  assert.deepEqual(config?.labels, { a: 'b', c: 'd=e' });
});

test('hardware is named by globs, several for one resource; a hollow device claims numbers', () => {
  const config = parse([
    '--hardware',
    'lamp=/dev/a*,radio=/dev/b,lamp=/dev/c',
    '--claim-hardware',
    'gpio=2,x=0',
  ]);
  assert.deepEqual(config?.hardware, [
    { resource: 'lamp', devices: ['/dev/a*', '/dev/c'], per: 'device' },
    { resource: 'radio', devices: ['/dev/b'], per: 'device' },
  ]);
  assert.deepEqual(config?.claimed.hardware, { gpio: 2, x: 0 });
  assert.deepEqual(parse([])?.hardware, []);
  assert.equal(parse([])?.claimed.hardware, undefined);
});

test('help is asked for, not an error, and names every flag', () => {
  assert.equal(parse(['--help']), undefined);
  for (const flag of ['--data', '--hub', '--stop-pods-on-exit', '--pod-cidr'])
    assert.ok(helpText().includes(flag));
});

const MISTAKES = [
  { args: ['--bogus'], message: /--bogus/ },
  { args: ['stray'], message: /stray/ },
  { args: ['--name', 'Not_A_Name'], message: /--name not_a_name/ },
  { args: ['--pod-cidr', '10.0.0.0'], message: /--pod-cidr 10\.0\.0\.0/ },
  { args: ['--log-level', 'loud'], message: /--log-level loud/ },
  { args: ['--hub', 'http://x'], message: /--hub http:\/\/x/ },
  { args: ['--hub', 'https://x', '--token-file', '/t'], message: /--ca FILE or --ca-fingerprint/ },
  { args: ['--cgroup-parent', '/covey'], message: /--cgroup-parent/ },
  { args: ['--cgroup-parent', 'covey/../x'], message: /--cgroup-parent/ },
  { args: ['--claim-cpu', '0'], message: /--claim-cpu 0/ },
  { args: ['--claim-memory', 'much'], message: /--claim-memory much/ },
  { args: ['--labels', 'x'], message: /--labels x/ },
  { args: ['--hardware', 'gpio'], message: /--hardware gpio: .*RESOURCE=GLOB/ },
  { args: ['--hardware', 'My_Lamp=/dev/x'], message: /--hardware My_Lamp=/ },
  { args: ['--hardware', 'lamp=dev/x'], message: /--hardware lamp=dev\/x/ },
  { args: ['--claim-hardware', 'gpio=1.5'], message: /--claim-hardware gpio=1\.5/ },
  { args: ['--claim-hardware', 'gpio=-1'], message: /--claim-hardware gpio=-1/ },
];
for (const { args, message } of MISTAKES)
  test(`refused with the flag's name: ${args.join(' ')}`, () => {
    assert.throws(
      () => parse(args),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
