/** Backup of a living store into one file, restore into an empty directory, and what a bad file leaves: nothing. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { REVISION_JUMP } from '#hub/store/backup.js';
import { restoreBackup } from '#hub/store/restore.js';
import { createSealing } from '#hub/store/sealing.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { StoreDirs } from '../../helpers/store-dirs.js';
import { encoder, eventsSince } from '../../helpers/store-values.js';

const KEY = { id: 'test-key', secret: Buffer.alloc(32, 1) };
const sealing = createSealing([KEY], (key) => key.startsWith('secrets/'));

/** Text that does not repeat itself, so that no bit of its compressed form is without effect. */
function filler(seed: number): string {
  return createHash('shake256', { outputLength: 600 }).update(String(seed)).digest('base64');
}

/** A store with 300 pods, of which one is updated and one deleted, and its backup. */
async function backedUp(dirs: StoreDirs) {
  const store = await dirs.open('store', { sealing });
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => store.create(`pods/${i}`, encoder(`${i}`, { filler: filler(i) }))),
  );
  await store.update('pods/7', encoder('seven'), 8);
  await store.delete('pods/9', encoder('9'), 10);
  await store.create('secrets/s', encoder('s', { data: 'c2VjcmV0' }));
  const file = dirs.path('backup');
  const summary = await store.backup(file);
  return { store, file, summary };
}

it('brings back every current value with its revisions', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { store, file, summary } = await backedUp(dirs);
  assert.deepEqual(summary, { revision: 303, entries: 300 });
  await restoreBackup({ file, directory: dirs.path('restored') });
  const restored = await dirs.open('restored', { sealing });
  const [before, after] = await Promise.all([store.list({ prefix: '' }), restored.list({ prefix: '' })]);
  const comparable = (entry: (typeof before.entries)[number]) => ({
    ...entry,
    value: Buffer.from(entry.value.bytes).toString(),
  });
  assert.deepEqual(after.entries.map(comparable), before.entries.map(comparable));
});

it('is a snapshot of one revision while writers go on', async (t) => {
  const dirs = await StoreDirs.make(t);
  const store = await dirs.open();
  for (let i = 0; i < 100; i++) await store.create(`a/${i}`, encoder('a', { filler: 'y'.repeat(5000) }));
  const backup = store.backup(dirs.path('backup'));
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) await store.create(`b/${i}`, encoder('b'));
  })();
  const { revision, entries } = await backup;
  writing = false;
  await writer;
  assert.deepEqual([revision, entries], [100, 100]);
  await restoreBackup({ file: dirs.path('backup'), directory: dirs.path('restored') });
  const restored = await dirs.open('restored');
  assert.equal((await restored.list({ prefix: 'b/' })).entries.length, 0);
  assert.equal((await restored.list({ prefix: 'a/' })).entries.length, 100);
});

it('continues above every revision handed out before, and expires what clients remember', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { store, file } = await backedUp(dirs);
  const later = await store.create('later', encoder('later'));
  const summary = await restoreBackup({ file, directory: dirs.path('restored') });
  assert.equal(summary.revision, 303 + REVISION_JUMP);
  const restored = await dirs.open('restored', { sealing });
  assert.equal(restored.revision, summary.revision);
  await restored.create('new', encoder('new'));
  for (const known of [0, 303, later.modRevision]) {
    await assert.rejects(eventsSince(restored, known), { code: 'EXPIRED', revision: summary.revision });
    await assert.rejects(restored.list({ prefix: '', revision: known }), { code: 'EXPIRED' });
  }
  // Compare-and-swap with the restored revisions goes on.
  assert.equal(await restored.update('pods/7', encoder('8'), 302).catch((error) => error.code), 'CONFLICT');
  await restored.update('pods/7', encoder('8'), 301);
});

it('continues above a known revision when that is higher', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { file } = await backedUp(dirs);
  const { revision } = await restoreBackup({ file, directory: dirs.path('restored'), minRevision: 5e12 });
  assert.equal(revision, 5e12 + REVISION_JUMP);
});

it('keeps expiry times', async (t) => {
  const dirs = await StoreDirs.make(t);
  const clock = new FakeClock();
  const store = await dirs.open('store', { clock });
  await store.create('a', encoder('a'), { ttlMs: 1000 });
  await store.backup(dirs.path('backup'));
  await restoreBackup({ file: dirs.path('backup'), directory: dirs.path('restored') });
  const restored = await dirs.open('restored', { clock });
  await clock.advance(1000);
  await eventsSince(restored, REVISION_JUMP + 1);
  await restored.create('b', encoder('b'));
  assert.equal(await restored.get('a'), undefined);
});

it('is one private file, and keeps sealed values sealed', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { file } = await backedUp(dirs);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const content = await readFile(file);
  const magic = content.subarray(0, content.indexOf('\n') + 1);
  assert.equal(magic.toString(), 'covey-backup 1\n');
  const plain = gunzipSync(content.subarray(magic.length)).toString('latin1');
  assert.ok(plain.includes('"keyIds":["test-key"]'));
  assert.ok(plain.includes('pods/7') && plain.includes('secrets/s'));
  assert.ok(!plain.includes('c2VjcmV0'));
});

it('replaces an older backup only by a complete one', async (t) => {
  const dirs = await StoreDirs.make(t);
  const store = await dirs.open();
  await store.create('a', encoder('a'));
  await store.backup(dirs.path('backup'));
  await store.create('b', encoder('b'));
  assert.deepEqual(await store.backup(dirs.path('backup')), { revision: 2, entries: 2 });
  await assert.rejects(store.backup(dirs.path('missing/backup')), { code: 'IO', message: /missing/ });
  assert.deepEqual((await readdir(dirs.path('.'))).sort(), ['backup', 'store']);
});

it('refuses a directory that is not empty, and leaves it as it is', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { file } = await backedUp(dirs);
  await mkdir(dirs.path('used'));
  await writeFile(dirs.path('used/file'), 'mine');
  await assert.rejects(
    restoreBackup({ file, directory: dirs.path('used') }),
    /used is not empty \(it has file\)/,
  );
  assert.deepEqual(await readdir(dirs.path('used')), ['file']);
  await mkdir(dirs.path('empty'));
  await restoreBackup({ file, directory: dirs.path('empty') });
  assert.equal((await dirs.open('empty', { sealing })).revision, 303 + REVISION_JUMP);
});

it('refuses every truncated and every altered file, and leaves nothing behind', async (t) => {
  const dirs = await StoreDirs.make(t);
  const { file, store } = await backedUp(dirs);
  await store[Symbol.asyncDispose]();
  const content = await readFile(file);
  const bad: Buffer[] = [];
  for (let i = 0; i < 12; i++) bad.push(content.subarray(0, Math.floor((content.length * i) / 12)));
  bad.push(content.subarray(0, -1), content.subarray(0, -9), Buffer.concat([content, Buffer.from('more')]));
  for (let i = 0; i < 40; i++) {
    const altered = Buffer.from(content);
    const at = Math.floor((content.length * (i + 0.5)) / 40);
    altered[at] = (altered[at] ?? 0) ^ (1 << (i % 8));
    bad.push(altered);
  }
  for (const [index, bytes] of bad.entries()) {
    await writeFile(dirs.path('bad'), bytes);
    const restore = restoreBackup({ file: dirs.path('bad'), directory: dirs.path('target') });
    await assert.rejects(
      restore,
      { code: 'DAMAGED', message: /bad is not an intact backup/ },
      `case ${index}`,
    );
    assert.deepEqual((await readdir(dirs.path('.'))).sort(), ['backup', 'bad', 'store'], `case ${index}`);
  }
});

it('refuses what is no backup, what is newer, and what does not exist', async (t) => {
  const dirs = await StoreDirs.make(t);
  const restore = (name: string) => restoreBackup({ file: dirs.path(name), directory: dirs.path('target') });
  await writeFile(dirs.path('text'), 'hello');
  await assert.rejects(restore('text'), { code: 'DAMAGED', message: /does not start like one/ });
  await writeFile(dirs.path('newer'), 'covey-backup 2\nwhatever');
  await assert.rejects(restore('newer'), { code: 'UNKNOWN_LAYOUT', message: /format 2.*reads 1/ });
  await assert.rejects(restore('missing'), { code: 'IO', message: /ENOENT.*missing/ });
  await writeFile(dirs.path('empty'), '');
  await truncate(dirs.path('empty'));
  await assert.rejects(restore('empty'), { code: 'DAMAGED' });
});
