/** What opening a LevelDB store finds: everything that was acknowledged, or a clear error with the way out. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { Level } from 'level';
import { DEFAULT_COMPACTION } from '#hub/store/compaction.js';
import { logKey, META_FLOOR, META_LAYOUT } from '#hub/store/keys.js';
import { StoreDirectory } from '#hub/store/store-directory.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { StoreDirs } from '../../helpers/store-dirs.js';
import { encoder, eventsSince, line, readUntil } from '../../helpers/store-values.js';

const wayOut = /restore a backup into an empty directory/;

/** A closed store with the creations of k0…k9 and an update of k0. */
async function filled(dirs: StoreDirs): Promise<string> {
  const store = await dirs.open();
  for (let i = 0; i < 10; i++) await store.create(`k${i}`, encoder(`${i}`));
  await store.update('k0', encoder('new'), 1);
  await store[Symbol.asyncDispose]();
  return dirs.path('store');
}

/** Changes the database of a closed store behind its back. */
async function tamper(
  directory: string,
  change: (db: Level<string, Buffer>) => Promise<void>,
): Promise<void> {
  const db = new Level<string, Buffer>(join(directory, 'db'), { valueEncoding: 'buffer' });
  await change(db);
  await db.close();
}

it('brings back values, revisions and history after a stop', async (t) => {
  const dirs = await StoreDirs.make(t);
  await filled(dirs);
  const store = await dirs.open();
  assert.equal(store.revision, 11);
  const entry = await store.get('k0');
  assert.deepEqual([entry?.createRevision, entry?.modRevision], [1, 11]);
  assert.ok(Object.isFrozen(entry?.value.object['metadata']));
  assert.deepEqual((await eventsSince(store, 9)).map(line), ['10 created k9', '11 updated k0']);
  assert.equal((await store.list({ prefix: 'k', revision: 4 })).entries.length, 4);
});

it('brings back the compaction floor and what is above it', async (t) => {
  const dirs = await StoreDirs.make(t);
  const before = await dirs.open();
  for (let i = 0; i < 10; i++) await before.create(`k${i}`, encoder(`${i}`));
  await before.delete('k1', encoder('1'), 2);
  await before.compact(5);
  await before[Symbol.asyncDispose]();
  const store = await dirs.open();
  assert.equal(store.compactedRevision, 5);
  assert.deepEqual(
    (await store.list({ prefix: '', revision: 5 })).entries.map((entry) => entry.key).length,
    5,
  );
  assert.equal((await store.list({ prefix: '' })).entries.length, 9);
});

it('lets a key expire after a restart, also when its time came while the store was closed', async (t) => {
  const dirs = await StoreDirs.make(t);
  const clock = new FakeClock();
  const before = await dirs.open('store', { clock });
  await before.create('early', encoder('early'), { ttlMs: 1000 });
  await before.create('late', encoder('late'), { ttlMs: 10_000 });
  await before[Symbol.asyncDispose]();
  await clock.advance(5000);
  const store = await dirs.open('store', { clock });
  const watch = store.watch({ prefix: '', fromRevision: 2, signal: AbortSignal.timeout(10_000) });
  await clock.advance(0);
  assert.deepEqual((await readUntil(watch, 3)).map(line), ['3 deleted early']);
  await clock.advance(5000);
  assert.deepEqual((await readUntil(watch, 4)).map(line), ['4 deleted late']);
});

it('keeps its directory private', async (t) => {
  const directory = await filled(await StoreDirs.make(t));
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
});

it('is locked against a second store in this process', async (t) => {
  const dirs = await StoreDirs.make(t);
  await dirs.open();
  await assert.rejects(dirs.open(), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'LOCKED');
    assert.ok(error.message.includes(dirs.path('store')), error.message);
    return true;
  });
});

it('is locked against a second process, until the first one closes', async (t) => {
  const dirs = await StoreDirs.make(t);
  const store = await dirs.open();
  const program = `
    const { openLevelStore } = await import('#hub/store/level-store.js');
    const { systemClock } = await import('#hub/lib/system-clock.js');
    try {
      const store = await openLevelStore({ directory: process.argv[1], clock: systemClock });
      await store[Symbol.asyncDispose]();
      console.log('opened');
    } catch (error) { console.log(error.code, error.message); }`;
  const attempt = async () => {
    const args = ['--input-type=module', '-e', program, dirs.path('store')];
    return (await promisify(execFile)(process.execPath, args)).stdout;
  };
  assert.match(await attempt(), new RegExp(`^LOCKED .*${dirs.path('store')} is in use by another process`));
  await store[Symbol.asyncDispose]();
  assert.equal(await attempt(), 'opened\n');
});

it('refuses a directory of a newer layout without touching it', async (t) => {
  const dirs = await StoreDirs.make(t);
  const directory = await filled(dirs);
  const mark = join(directory, 'store.json');
  await writeFile(mark, JSON.stringify({ layout: 2, anything: true }));
  await assert.rejects(dirs.open(), { code: 'UNKNOWN_LAYOUT', message: wayOut });
  assert.equal(await readFile(mark, 'utf8'), JSON.stringify({ layout: 2, anything: true }));
});

it('refuses a database of a newer layout', async (t) => {
  const dirs = await StoreDirs.make(t);
  await tamper(await filled(dirs), (db) => db.put(META_LAYOUT, Buffer.from('{"layout":99}')));
  await assert.rejects(dirs.open(), { code: 'UNKNOWN_LAYOUT', message: /layout 99.*knows 1/ });
});

const damages: ReadonlyArray<[string, (db: Level<string, Buffer>) => Promise<void>]> = [
  ['a missing record of history', (db) => db.del(logKey(6))],
  ['a missing last record', (db) => db.del(logKey(11))],
  ['a record in the place of another', async (db) => db.put(logKey(5), (await db.get(logKey(6))) as Buffer)],
  [
    'a record with a flipped bit',
    async (db) => {
      const record = Buffer.from((await db.get(logKey(5))) as Buffer);
      record[50] = (record[50] ?? 0) ^ 4;
      await db.put(logKey(5), record);
    },
  ],
  ['a missing floor', (db) => db.del(META_FLOOR)],
  ['an unreadable floor', (db) => db.put(META_FLOOR, Buffer.from('{'))],
  ['a wrong floor', (db) => db.put(META_FLOOR, Buffer.from('{"compacted":3,"live":2}'))],
  ['a missing layout', (db) => db.del(META_LAYOUT)],
];
for (const [what, damage] of damages) {
  it(`refuses ${what} as damage and names the way out`, async (t) => {
    const dirs = await StoreDirs.make(t);
    await tamper(await filled(dirs), damage);
    await assert.rejects(dirs.open(), { code: 'DAMAGED', message: wayOut });
  });
}

it('refuses a store whose compacted part has lost a record', async (t) => {
  const dirs = await StoreDirs.make(t);
  const store = await dirs.open();
  for (let i = 0; i < 5; i++) await store.create(`k${i}`, encoder(`${i}`));
  await store.compact(5);
  await store[Symbol.asyncDispose]();
  await tamper(dirs.path('store'), (db) => db.del(logKey(2)));
  await assert.rejects(dirs.open(), { code: 'DAMAGED', message: /4 records at or below revision 5/ });
});

it('refuses a store whose database is gone', async (t) => {
  const dirs = await StoreDirs.make(t);
  const directory = await filled(dirs);
  await rm(join(directory, 'db'), { recursive: true });
  await assert.rejects(dirs.open(), { code: 'DAMAGED', message: wayOut });
});

it('refuses a store whose database is an older copy', async (t) => {
  const dirs = await StoreDirs.make(t);
  const directory = await filled(dirs);
  await cp(join(directory, 'db'), dirs.path('old'), { recursive: true });
  const store = await dirs.open();
  await store.create('later', encoder('later'));
  await store[Symbol.asyncDispose]();
  await rm(join(directory, 'db'), { recursive: true });
  await cp(dirs.path('old'), join(directory, 'db'), { recursive: true });
  await assert.rejects(dirs.open(), {
    code: 'DAMAGED',
    message: /ends at revision 11, but revision 12 was durable/,
  });
});

it('refuses a store description that is not one', async (t) => {
  const dirs = await StoreDirs.make(t);
  await writeFile(join(await filled(dirs), 'store.json'), 'garbage');
  await assert.rejects(dirs.open(), { code: 'DAMAGED', message: wayOut });
});

it('voids the records above a rollback that a failed write left behind', async (t) => {
  const dirs = await StoreDirs.make(t);
  const directory = await filled(dirs);
  await writeFile(
    join(directory, 'store.json'),
    JSON.stringify({ layout: 1, revision: 8, checksums: { manifest: '', tables: [] } }),
  );
  await new StoreDirectory(directory).writeRollback(9);
  const store = await dirs.open();
  assert.equal(store.revision, 9);
  assert.equal((await store.get('k0'))?.modRevision, 1);
  assert.equal((await readFile(join(directory, 'rollback'), 'utf8')).trim(), '');
  assert.equal((await store.create('next', encoder('next'))).modRevision, 10);
});

it('compacts by policy as time goes by', async (t) => {
  const dirs = await StoreDirs.make(t);
  const clock = new FakeClock();
  const store = await dirs.open('store', { clock, compaction: DEFAULT_COMPACTION });
  for (let i = 0; i < 3; i++) await store.create(`k${i}`, encoder(`${i}`));
  await clock.advance(DEFAULT_COMPACTION.intervalMs);
  assert.equal(store.compactedRevision, 0);
  await clock.advance(DEFAULT_COMPACTION.retainMs);
  assert.equal(store.compactedRevision, 3);
});
