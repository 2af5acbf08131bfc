/** Images that were built before: built once, taken while they are fresh, and never a part of one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { keptImage } from '#firmware-profiles/build/kept-images.js';
import { checkTools } from '#firmware-profiles/build/tools.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const why = await checkTools().then(
  () => (spawnSync('unshare', ['--user', 'true']).status === 0 ? undefined : 'no user namespaces here'),
  (error: Error) => error.message,
);
const skip = why ?? false;

function builder(text: string) {
  return (work: string) => writeFile(join(work, 'image'), text);
}

test('an image is built once, and again when it is a week old', { skip }, async (t) => {
  const directory = join(await tempDir(t), 'made');
  const first = await keptImage({ directory, name: 'a', build: builder('first') });
  assert.equal(first.kept, false);
  const again = { directory, name: 'a', build: builder('second') };
  assert.deepEqual(await keptImage(again), { path: first.path, kept: true });
  assert.equal(await readFile(first.path, 'utf8'), 'first');
  await utimes(first.path, 0, 0);
  assert.deepEqual(await keptImage(again), { path: first.path, kept: false });
  assert.equal(await readFile(first.path, 'utf8'), 'second');
  assert.deepEqual(await readdir(directory), ['a.img']);
});

test('a build that fails leaves nothing', { skip }, async (t) => {
  const directory = await tempDir(t);
  const build = async (work: string) => {
    await builder('half')(work);
    throw new Error('no space');
  };
  await assert.rejects(keptImage({ directory, name: 'a', build }), /no space/);
  assert.deepEqual(await readdir(directory), []);
});

test('what another run has taken away meanwhile stops no build', { skip }, async (t) => {
  const directory = await tempDir(t);
  // Listed, and not there when it is looked at.
  await symlink('nowhere', join(directory, 'work-of-another'));
  await symlink('nowhere', join(directory, 'old.img'));
  const { path } = await keptImage({ directory, name: 'a', build: builder('whole') });
  assert.equal(await readFile(path, 'utf8'), 'whole');
  assert.deepEqual(await readdir(directory), ['a.img']);
});
