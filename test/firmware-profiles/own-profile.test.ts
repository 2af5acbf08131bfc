/** A profile of one's own travels with the card; a shipped one does not, because the agent brings a newer one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemFiles } from '#firmware-profiles/first-boot/system-files.js';
import { loadProfile, loadProfiles, readProfileFile, shippedManifest } from '#firmware-profiles/load.js';
import { isShipped } from '#firmware-profiles/profile.js';
import type { CardSettings } from '#firmware-profiles/settings.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const OWN_PROFILE = 'etc/covey/profile.yaml';

function settings(profile: string): CardSettings {
  const hub = { url: 'https://hub:6443', ca: 'PEM' };
  return { name: 'kitchen-1', hub, claim: 'abc.def', profile, labels: {}, sshKeys: [] };
}

test('what is read from the directory of profiles is marked as shipped, a file is not', async (t) => {
  const all = await loadProfiles();
  assert.ok(all.every(isShipped));
  const text = (await shippedManifest('raspberry-pi-4')) ?? '';
  const label = 'labels: { fleet.covey.dev/shipped: "true", keep: "yes" }';
  const file = join(await tempDir(t), 'copy.txt');
  await writeFile(file, text.replace('  name: raspberry-pi-4', `  name: raspberry-pi-4\n  ${label}`));
  const copy = await readProfileFile(file);
  assert.equal(isShipped(copy), false);
  assert.deepEqual(copy.metadata.labels, { keep: 'yes' });
  assert.deepEqual(copy.spec, (await loadProfile('raspberry-pi-4'))?.spec);
  assert.equal(await shippedManifest('../raspberry-pi-4'), undefined);
});

test('a card carries a profile of one’s own, and the agent is told where it lies', async (t) => {
  const directory = await tempDir(t);
  const file = join(directory, 'my.yaml');
  const shipped = await loadProfile('raspberry-pi-4');
  assert.ok(shipped !== undefined);
  const name = 'my-board';
  await writeFile(file, JSON.stringify({ ...shipped, metadata: { name } }));
  const own = await readProfileFile(file);
  const files = systemFiles(own, settings(name), '/boot/firmware/covey');
  const carried = join(directory, 'carried.yaml');
  await writeFile(carried, files[OWN_PROFILE] ?? '');
  assert.deepEqual(await readProfileFile(carried), own);
  assert.match(files['etc/covey/agent.env'] ?? '', /^COVEY_PROFILE_FILE='?\/etc\/covey\/profile\.yaml'?$/m);
  assert.equal(files['etc/modules-load.d/covey.conf'], 'i2c-dev\n');
  const usual = systemFiles(shipped, settings('raspberry-pi-4'), '/boot/firmware/covey');
  assert.equal(usual[OWN_PROFILE], undefined);
  assert.doesNotMatch(usual['etc/covey/agent.env'] ?? '', /COVEY_PROFILE_FILE/);
});
