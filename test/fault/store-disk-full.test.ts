/**
 * A disk that really fills up: a small tmpfs of the test's own. Writers are refused with DISK_FULL, readers and
 * watchers see nothing of it, and the store writes again by itself once there is space.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '#hub/lib/system-clock.js';
import { type LevelStore, openLevelStore } from '#hub/store/level-store.js';
import { encoder, eventsSince } from '../helpers/store-values.js';

const run = promisify(execFile);
const BALLAST_BYTES = 20 * 1024 * 1024;

/** A tmpfs of 48 MiB with ballast in it; undefined, and the test skipped, where it cannot be mounted. */
async function smallDisk(t: TestContext): Promise<{ path: string; ballast: string } | undefined> {
  if (process.getuid?.() !== 0) {
    t.skip('needs root to mount a small tmpfs');
    return undefined;
  }
  const path = await mkdtemp(join(tmpdir(), 'covey-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'covey-store-test', path]);
  } catch (error) {
    await rmdir(path);
    t.skip(`cannot mount a tmpfs: ${(error as Error).message}`);
    return undefined;
  }
  t.after(async () => {
    await run('umount', [path]);
    await rmdir(path);
  });
  const ballast = join(path, 'ballast');
  await writeFile(ballast, Buffer.alloc(BALLAST_BYTES));
  return { path, ballast };
}

/** Writes from eight writers until each is refused; the keys of what was acknowledged. */
async function fill(
  store: LevelStore,
  round: string,
): Promise<{ acknowledged: string[]; refused: string[] }> {
  const acknowledged: string[] = [];
  const refused: string[] = [];
  const writer = async (number: number) => {
    for (let i = 0; ; i++) {
      const key = `${round}/${number}/${i}`;
      try {
        await store.create(key, encoder(key, { payload: randomBytes(24_000).toString('latin1') }));
        acknowledged.push(key);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'DISK_FULL', String(error));
        assert.match(String(error), /nothing was written: the disk of .* is full; free some space/);
        refused.push(key);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => writer(number)));
  return { acknowledged, refused };
}

async function holds(
  store: LevelStore,
  present: readonly string[],
  absent: readonly string[],
): Promise<void> {
  for (const key of present) assert.ok(await store.get(key), `${key} was acknowledged`);
  for (const key of absent) assert.equal(await store.get(key), undefined, `${key} was refused`);
  const events = await eventsSince(store, store.compactedRevision);
  assert.deepEqual(
    events.map((event) => event.revision),
    Array.from(
      { length: store.revision - store.compactedRevision },
      (_, i) => store.compactedRevision + i + 1,
    ),
  );
}

it('refuses writes on a full disk, serves reads, and writes again when there is space', async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return;
  const options = { directory: join(disk.path, 'store'), clock: systemClock, compaction: 'off' as const };
  const store = await openLevelStore({ ...options, historyBytes: 100_000 });
  const { acknowledged, refused } = await fill(store, 'first');
  assert.ok(acknowledged.length > 10 && refused.length === 8);
  assert.equal(store.revision, acknowledged.length);
  await holds(store, acknowledged, refused);
  assert.equal(store.failure?.code, 'DISK_FULL');

  await rm(disk.ballast);
  const before = store.revision;
  let first: number | undefined;
  for (const end = performance.now() + 20_000; first === undefined && performance.now() < end; ) {
    first = await store.create('again', encoder('again')).then(
      (entry) => entry.modRevision,
      () => undefined,
    );
    if (first === undefined) await systemClock.sleep(20);
  }
  assert.equal(first, before + 1);
  assert.equal(store.failure, undefined);
  await holds(store, [...acknowledged, 'again'], refused);
  await store[Symbol.asyncDispose]();

  const reopened = await openLevelStore({ ...options, historyBytes: 1e9 });
  assert.equal(reopened.revision, before + 1);
  await holds(reopened, [...acknowledged, 'again'], refused);
  await reopened[Symbol.asyncDispose]();
});

it('holds after a stop on a full disk what it held before, and nothing that was refused', async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return;
  const options = { directory: join(disk.path, 'store'), clock: systemClock, compaction: 'off' as const };
  const store = await openLevelStore(options);
  const { acknowledged, refused } = await fill(store, 'first');
  await store[Symbol.asyncDispose]();
  await assert.rejects(openLevelStore(options), { code: 'DISK_FULL' });
  await rm(disk.ballast);
  const reopened = await openLevelStore(options);
  assert.equal(reopened.revision, acknowledged.length);
  await holds(reopened, acknowledged, refused);
  await reopened[Symbol.asyncDispose]();
});
