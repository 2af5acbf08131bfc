/** One run at a time for a target, under each of its names; a process that died holds nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockTarget } from '#hub/cli/flash/target-lock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const refusal = { name: 'CommandError', message: /is being written by another covey flash \(process \d+\)/ };

test('a second run is refused until the first has ended, under every name of the target', async (t) => {
  const directory = await tempDir(t);
  const [locks, target, alias] = [
    join(directory, 'state'),
    join(directory, 'a.img'),
    join(directory, 'b.img'),
  ];
  await writeFile(target, '');
  await symlink(target, alias);
  {
    await using _first = await lockTarget(locks, target);
    await assert.rejects(lockTarget(locks, target), refusal);
    await assert.rejects(lockTarget(locks, alias), refusal);
    await using _other = await lockTarget(locks, join(directory, 'not-there-yet.img'));
  }
  await using _second = await lockTarget(locks, alias);
  assert.equal((await readdir(locks)).length, 1);
});

test('a process that died holds nothing; of many that see that, one gets the lock', async (t) => {
  const locks = await tempDir(t);
  const target = join(locks, 'card.img');
  const held = await lockTarget(locks, target);
  const [name = ''] = await readdir(locks);
  const { pid } = spawnSync(process.execPath, ['--version']);
  await writeFile(join(locks, name), String(pid));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockTarget(locks, target)));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  await held[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(locks), []);
});
