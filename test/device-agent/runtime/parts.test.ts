/** Small parts: signals, preflight, logs, limits. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { cpuMax, cpuQuota, cpuShares, cpuWeight } from '#device-agent/cgroups/limits.js';
import { LogRotation, removeLogs } from '#device-agent/runtime/log-rotation.js';
import { preflight } from '#device-agent/runtime/preflight.js';
import { signalNumber } from '#device-agent/runtime/signals.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('signals are known by name and number', () => {
  assert.deepEqual(
    ['SIGTERM', 'term', '9', 'SIGRTMIN+3', 'SIGRTMAX-1', 'SIGHUP'].map(signalNumber),
    [15, 15, 9, 37, 63, 1],
  );
  for (const bad of ['SIGNOTHING', '0', '65', 'SIGRTMIN+90', ''])
    assert.throws(() => signalNumber(bad), /unknown signal/);
});

test('limits become the kernel’s numbers', () => {
  assert.equal(cpuQuota(250), 25_000);
  assert.equal(cpuQuota(1), 1000);
  assert.equal(cpuMax(undefined), 'max 100000');
  assert.equal(cpuMax(500), '50000 100000');
  assert.deepEqual([undefined, 1, 1000, 1e9].map(cpuShares), [2, 2, 1024, 262_144]);
  assert.deepEqual([undefined, 1000, 1e9].map(cpuWeight), [1, 39, 10_000]);
});

test('preflight names the packages that are missing in one command', async () => {
  const findings = await preflight({ uid: 0, cniPath: ['/nowhere'], find: async () => undefined });
  const missing = findings.find((finding) => finding.fix?.startsWith('apt-get'));
  assert.match(
    missing?.fix ?? '',
    /^apt-get install -y --no-install-recommends .*conmon.*containernetworking-plugins/,
  );
  assert.match(missing?.fix ?? '', /crun|runc/);
  const user = await preflight({ uid: 1000, find: async (name) => `/bin/${name}` });
  assert.ok(user.some((finding) => finding.severity === 'error' && /need root/.test(finding.message)));
  const none = await preflight({ uid: 0, cgroupRoot: '/nowhere', find: async (name) => `/bin/${name}` });
  assert.ok(none.some((finding) => /no control groups/.test(finding.message)));
});

test('a log moves up through its numbers and the oldest goes', async (t) => {
  const root = await tempDir(t);
  const log = join(root, 'app.log');
  const rotation = new LogRotation({ maxBytes: 2, maxFiles: 3 });
  for (const text of ['first', 'second', 'third']) {
    await writeFile(log, text);
    await rotation.look('app', log, root);
  }
  assert.deepEqual((await readdir(root)).sort(), ['app.log.1', 'app.log.2']);
  assert.equal(await readFile(`${log}.1`, 'utf8'), 'third');
  assert.equal(await readFile(`${log}.2`, 'utf8'), 'second');
  await writeFile(log, 'x');
  assert.equal(await rotation.look('app', log, root), false);
  await removeLogs(log, 3);
  assert.deepEqual(await readdir(root), []);
});

test('conmon is told once of each rotation, also of one that was cut off before it was told', async (t) => {
  const root = await tempDir(t);
  const log = join(root, 'app.log');
  const limits = { maxBytes: 2, maxFiles: 2 };
  execFileSync('mkfifo', [join(root, 'ctl')]);
  const conmon = await open(join(root, 'ctl'), constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => conmon.close());
  const rotation = new LogRotation(limits);
  assert.equal(await rotation.look('app', log, root), false, 'a log that never was');
  await writeFile(log, 'first');
  assert.equal(await rotation.look('app', log, root), true);
  // conmon is slow.
  assert.equal(await rotation.look('app', log, root), false);
  // The agent that renamed it was killed before it wrote to the pipe.
  const next = new LogRotation(limits);
  assert.equal(await next.look('app', log, root), true);
  assert.equal(await next.look('app', log, root), false);
  assert.equal((await conmon.read(Buffer.alloc(64))).bytesRead, 2 * '2 0 0\n'.length);
  await writeFile(log, 'second');
  assert.equal(await next.look('app', log, root), true);
  assert.equal(await readFile(`${log}.1`, 'utf8'), 'second');
});
