/** What a machine lacks for building is named with the command that installs it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { subordinateIds } from '#firmware-profiles/build/sandbox.js';
import { type Builder, checkTools } from '#firmware-profiles/build/tools.js';

const machine = (lacks: readonly string[], more: Partial<Builder> = {}): Builder => ({
  platform: 'linux',
  arch: 'x64',
  isRoot: true,
  has: (file) => Promise.resolve(!lacks.includes(file)),
  ...more,
});

test('a machine with everything passes', () => checkTools(machine([])));

test('missing programs are named by their packages, with one command', async () => {
  await assert.rejects(
    checkTools(machine(['mmdebstrap', '/usr/bin/qemu-aarch64-static'])),
    /needs mmdebstrap, qemu-user-static; run: apt-get install -y --no-install-recommends mmdebstrap qemu-user-static$/,
  );
  await assert.rejects(
    checkTools(machine(['newuidmap'], { isRoot: false })),
    /run: sudo apt-get install .* uidmap$/,
  );
});

test('an arm64 machine needs no emulation', () =>
  checkTools(machine(['/usr/bin/qemu-aarch64-static'], { arch: 'arm64' })));

test('elsewhere than on Linux the way out is a downloaded image', async () => {
  await assert.rejects(checkTools(machine([], { platform: 'darwin' })), /needs Linux with apt.*--image FILE/);
});

test('ranges of user ids are found by name or number, if large enough', () => {
  const text = 'anna:100000:65536\n1001:200000:65536\nsmall:300000:1000\n';
  assert.equal(subordinateIds(text, 'anna', 1000), 100_000);
  assert.equal(subordinateIds(text, 'bert', 1001), 200_000);
  assert.equal(subordinateIds(text, 'small', 1002), undefined);
  assert.equal(subordinateIds('', 'anna', 1000), undefined);
});
