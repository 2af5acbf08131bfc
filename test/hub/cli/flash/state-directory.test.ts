/** Where claims and locks are kept: what killed runs left there goes, and nothing else does. */
import assert from 'node:assert/strict';
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStateDirectory } from '#hub/cli/flash/state-directory.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2026, 10, 20);
const clock = { now: () => NOW };

test('what a run left a day ago when it was killed is removed', async (t) => {
  const directory = join(await tempDir(t), 'state');
  const options = { given: directory, env: {}, clock };
  assert.equal(await openStateDirectory(options), directory);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  const uuid = '8f14e45f-ceea-4672-950a-1f6b0d1c2e3f';
  const stays = ['a.json', 'b.lock', 'new.json.x.tmp', `new.lock.${uuid}`];
  for (const name of [...stays, `a.json.${uuid}.tmp`, `b.lock.${uuid}`]) {
    await writeFile(join(directory, name), 'x');
    const time = (NOW - (name.startsWith('new') ? 23 : 25) * HOUR_MS) / 1000;
    await utimes(join(directory, name), time, time);
  }
  await mkdir(join(directory, 'b.lock.turn'));
  await utimes(join(directory, 'b.lock.turn'), 0, 0);
  await openStateDirectory(options);
  assert.deepEqual((await readdir(directory)).sort(), stays);
});

test('by default it is in the home of the person, where such things belong', async (t) => {
  const base = await tempDir(t);
  const options = { given: undefined, env: { XDG_STATE_HOME: base }, clock };
  assert.equal(await openStateDirectory(options), join(base, 'covey/flash'));
  await writeFile(join(base, 'file'), '');
  await assert.rejects(
    openStateDirectory({ ...options, given: join(base, 'file/below') }),
    /cannot keep claims in .*: a part of its path is not a directory; name another directory with --state/,
  );
});
