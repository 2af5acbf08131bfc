/** What the link keeps on disk besides reports: identity and epochs. */
import assert from 'node:assert/strict';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { EpochCounter } from '#device-agent/link/epoch.js';
import { type DeviceIdentity, loadIdentity, saveIdentity } from '#device-agent/link/identity.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const identity: DeviceIdentity = {
  device: 'kitchen',
  key: 'KEY',
  certificate: 'CERT',
  ca: 'CA',
  mqtt: ['hub:8883'],
  https: 'https://hub:6443',
  epochBase: 7,
};

test('an identity is kept for its owner alone, and replaced as a whole', async (t) => {
  const directory = await tempDir(t);
  assert.equal(await loadIdentity(directory), undefined);
  await saveIdentity(directory, identity);
  assert.deepEqual(await loadIdentity(directory), identity);
  const { mode } = await stat(join(directory, 'identity', 'key.pem'));
  assert.equal(mode & 0o777, 0o600);
  await saveIdentity(directory, { ...identity, key: 'KEY2', certificate: 'CERT2' });
  assert.equal((await loadIdentity(directory))?.key, 'KEY2');
  assert.equal((await readdir(directory)).filter((name) => /identity-[ab]/.test(name)).length, 1);
});

test('a damaged identity is a clear error, not a new device', async (t) => {
  const directory = await tempDir(t);
  await saveIdentity(directory, identity);
  await writeFile(join(directory, 'identity', 'hub.json'), '{"device":');
  await assert.rejects(loadIdentity(directory), /hub\.json/);
  await writeFile(join(directory, 'identity', 'hub.json'), '{"device":"x"}');
  await assert.rejects(loadIdentity(directory), /join again/);
});

test('epochs grow over restarts, a lost file, and the base of a new identity', async (t) => {
  const directory = await tempDir(t);
  let last = 0;
  const open = (base: number) => EpochCounter.open(directory, base, silentLogger);
  for (let restart = 0; restart < 5; restart++) {
    const epochs = await open(1000);
    for (let connection = 0; connection < 150; connection++) {
      const next = await epochs.next();
      assert.ok(next > last && next > 1000);
      last = next;
    }
  }
  await rm(join(directory, 'epoch'));
  assert.ok((await (await open(1_000_000)).next()) > last);
  await writeFile(join(directory, 'epoch'), 'garbage');
  assert.ok((await (await open(2_000_000)).next()) > 2_000_000);
});
