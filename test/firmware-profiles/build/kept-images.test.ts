/** Images that were built before: built once, taken while they are fresh, and never a part of one. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { keptImage } from '#firmware-profiles/build/kept-images.js';
import { takeTurn } from '#firmware-profiles/build/take-turn.js';
import { checkTools } from '#firmware-profiles/build/tools.js';
import { eventually } from '#test/helpers/eventually.js';
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

test('builds with one cache take turns, and one that was waited for is taken', { skip }, async (t) => {
  const directory = await tempDir(t);
  const said: string[] = [];
  let atWork = 0;
  let built = 0;
  const build = async (work: string) => {
    atWork += 1;
    built += 1;
    assert.equal(atWork, 1);
    // Long enough for the others to come to the door.
    await eventually('the others wait', 10_000, () => said.length >= 3 - built, 10);
    await builder('whole')(work);
    atWork -= 1;
  };
  const names = ['a', 'b', 'a'];
  const images = await Promise.all(
    names.map((name) => keptImage({ directory, name, build, say: (line) => said.push(line) })),
  );
  assert.deepEqual(
    images.map(({ path }) => path),
    names.map((name) => join(directory, `${name}.img`)),
  );
  assert.equal(built, 2);
  assert.match(said[0] ?? '', /another image is being built with .*: waiting until it is done/);
  assert.deepEqual((await readdir(directory)).sort(), ['a.img', 'b.img']);
});

test('a turn ends with its holder, and whoever waits may give up', { skip }, async (t) => {
  const directory = await tempDir(t);
  const module = new URL('../../../firmware-profiles/build/take-turn.js', import.meta.url).href;
  const script = `const { takeTurn } = await import('${module}');
    await takeTurn('${directory}', { waiting() {} });
    console.log('mine');`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  const stop = new AbortController();
  const waiting = () => stop.abort(new Error('given up'));
  await assert.rejects(takeTurn(directory, { waiting, signal: stop.signal }), /given up/);
  const turn = takeTurn(directory, { waiting: () => holder.kill('SIGKILL') });
  await (await turn)[Symbol.asyncDispose]();
  await assert.rejects(takeTurn(join(directory, 'none'), { waiting }), /none/);
});
