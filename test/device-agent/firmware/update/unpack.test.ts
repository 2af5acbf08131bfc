/** Archives of releases: what is unpacked, and what is refused before it does harm. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { unpackRelease } from '#device-agent/firmware/update/unpack.js';
import { UpdateError } from '#device-agent/firmware/update/update-error.js';
import { tempDir } from '#test/helpers/temp-dir.js';

type Entry = Partial<Header> & { readonly name: string; readonly text?: string };

const MAIN: Entry = { name: 'device-agent/main.js', text: 'main' };

async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { text = '', ...header } of entries) {
    if (header.type === undefined) tar.entry(header, text);
    else tar.entry(header);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

async function unpack(t: TestContext, bytes: Buffer, maxBytes = 1000): Promise<string> {
  const directory = await tempDir(t);
  const target = join(directory, 'target');
  await mkdir(target);
  await writeFile(join(directory, 'archive'), bytes);
  const { signal } = new AbortController();
  await unpackRelease({ archive: join(directory, 'archive'), target, maxBytes, signal });
  return target;
}

test('files and directories are unpacked, and programs can be run', async (t) => {
  const target = await unpack(
    t,
    await archiveOf([
      { name: './device-agent/', type: 'directory' },
      MAIN,
      { name: 'runtime/bin/node', text: 'node', mode: 0o755 },
      { name: 'empty', text: '' },
    ]),
  );
  assert.equal(await readFile(join(target, 'device-agent/main.js'), 'utf8'), 'main');
  assert.equal((await stat(join(target, 'runtime/bin/node'))).mode & 0o777, 0o755);
  assert.equal((await stat(join(target, 'device-agent/main.js'))).mode & 0o777, 0o644);
  assert.deepEqual((await readdir(target)).sort(), ['device-agent', 'empty', 'runtime']);
});

const refused: ReadonlyArray<readonly [string, readonly Entry[], RegExp]> = [
  ['a path that leaves the directory', [MAIN, { name: '../evil', text: 'x' }], /the path "..\/evil"/],
  ['a path that leaves it on the way', [MAIN, { name: 'a/../../evil', text: 'x' }], /the path/],
  ['an absolute path', [MAIN, { name: '/etc/passwd', text: 'x' }], /the path "\/etc\/passwd"/],
  ['a link', [MAIN, { name: 'link', type: 'symlink', linkname: '/etc' }], /"link", which is a symlink/],
  [
    'a hard link',
    [MAIN, { name: 'link', type: 'link', linkname: 'device-agent/main.js' }],
    /which is a link/,
  ],
  ['a device', [MAIN, { name: 'null', type: 'character-device' }], /which is a character-device/],
  ['no agent', [{ name: 'readme', text: 'x' }], /has no device-agent\/main.js/],
  [
    'more than it promised',
    [MAIN, { name: 'big', text: 'x'.repeat(1000) }],
    /more than the promised 1000 bytes/,
  ],
];
for (const [what, entries, expected] of refused) {
  test(`an archive with ${what} is refused`, async (t) => {
    const refusal = unpack(t, await archiveOf(entries));
    await assert.rejects(refusal, (error) => error instanceof UpdateError && expected.test(error.message));
  });
}

test('the same path twice is an error, not an overwrite', async (t) => {
  await assert.rejects(unpack(t, await archiveOf([MAIN, MAIN])), { code: 'EEXIST' });
});

test('a truncated or damaged archive is refused', async (t) => {
  const whole = await archiveOf([MAIN, { name: 'more', text: 'x'.repeat(500) }]);
  for (const bytes of [whole.subarray(0, whole.length - 20), Buffer.from('not an archive'), Buffer.alloc(0)])
    await assert.rejects(unpack(t, bytes), (error) => error instanceof UpdateError);
});
