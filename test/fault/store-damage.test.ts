/**
 * Damage below the store: flipped bits, truncated and missing files. Opening either refuses the directory
 * with a clear error or serves exactly what was there; it never serves something else.
 */
import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { StoreDirs } from '../helpers/store-dirs.js';
import { encoder } from '../helpers/store-values.js';
import { randomOf } from './torture.js';

/** The files that hold data: not LevelDB's own text logs, nor the empty lock. */
const DATA_FILE = /\.(log|ldb)$|^MANIFEST|^CURRENT$/;

async function makeStore(dirs: StoreDirs): Promise<string[]> {
  for (let session = 0; session < 3; session++) {
    // Every opening turns the last session's log into a table.
    const store = await dirs.open('original');
    for (let i = 0; i < 20; i++)
      await store.create(`${session}/${i}`, encoder('x', { filler: 'abc'.repeat(100) }));
    if (session === 1) await store.compact(15);
    await store[Symbol.asyncDispose]();
  }
  const names = await readdir(join(dirs.path('original'), 'db'));
  return names.filter((name) => DATA_FILE.test(name));
}

/** Opens a damaged copy: true when it was refused; asserts that nothing is missing or changed otherwise. */
async function refused(dirs: StoreDirs, name: string): Promise<boolean> {
  let store: Awaited<ReturnType<StoreDirs['open']>>;
  try {
    store = await dirs.open(name);
  } catch (error) {
    assert.ok(error instanceof Error && error.name === 'StoreError', String(error));
    const { code } = error as Error & { code?: string };
    assert.ok(code === 'DAMAGED' || code === 'UNKNOWN_LAYOUT', `${code}: ${error.message}`);
    assert.match(error.message, /restore a backup/);
    return true;
  }
  const { entries } = await store.list({ prefix: '' });
  assert.equal(store.revision, 60);
  assert.equal(store.compactedRevision, 15);
  assert.deepEqual(
    entries.map((entry) => (entry.value.object['metadata'] as { resourceVersion: string }).resourceVersion),
    entries.map((entry) => String(entry.modRevision)),
  );
  assert.equal(entries.length, 60);
  assert.equal((await store.list({ prefix: '', revision: 15 })).entries.length, 15);
  await store[Symbol.asyncDispose]();
  return false;
}

it('refuses a flipped bit, or it did not matter', async (t) => {
  const seed = Number(process.env['COVEY_TORTURE_SEED'] ?? Math.floor(Math.random() * 1e9));
  const random = randomOf(seed);
  const dirs = await StoreDirs.make(t);
  const names = await makeStore(dirs);
  let refusals = 0;
  for (let round = 0; round < 120; round++) {
    const copy = `copy-${round}`;
    await cp(dirs.path('original'), dirs.path(copy), { recursive: true });
    const name = names[Math.floor(random() * names.length)] ?? '';
    const file = join(dirs.path(copy), 'db', name);
    const bytes = await readFile(file);
    if (bytes.length === 0) continue;
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    await writeFile(file, bytes);
    try {
      if (await refused(dirs, copy)) refusals++;
    } catch (error) {
      throw new Error(`bit flipped in byte ${at} of ${name}, COVEY_TORTURE_SEED=${seed}`, { cause: error });
    }
    await rm(dirs.path(copy), { recursive: true });
  }
  t.diagnostic(`${refusals} of 120 refused, seed ${seed}`);
  assert.ok(refusals > 100);
});

it('refuses every data file truncated, and every one missing', async (t) => {
  const dirs = await StoreDirs.make(t);
  const names = await makeStore(dirs);
  for (const name of names) {
    for (const part of [0, 0.5, 0.95, undefined]) {
      const copy = `${name}-${part}`;
      await cp(dirs.path('original'), dirs.path(copy), { recursive: true });
      const file = join(dirs.path(copy), 'db', name);
      const { length } = await readFile(file);
      if (part === undefined) await rm(file);
      else await truncate(file, Math.floor(length * part));
      const isRefused = await refused(dirs, copy);
      assert.ok(isRefused || length === 0, `${name} cut to ${part}`);
      await rm(dirs.path(copy), { recursive: true });
    }
  }
});
