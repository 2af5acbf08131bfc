/** Targets as files: what direct I/O refuses is done with ordinary I/O, and an emptied file reads as zeros. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { alignedBlocks, BLOCK_BYTES } from '#firmware-profiles/flash/aligned-memory.js';
import { alignedSize, DirectFile, kindOf } from '#firmware-profiles/flash/direct-file.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('buffers for direct I/O are apart from each other and whole', () => {
  const blocks = alignedBlocks(3);
  for (const [index, block] of blocks.entries()) block.fill(index + 1);
  for (const [index, block] of blocks.entries()) {
    assert.equal(block.length, BLOCK_BYTES);
    assert.ok(block.equals(Buffer.alloc(BLOCK_BYTES, index + 1)));
  }
});

test('a buffer that direct I/O refuses is written and read all the same', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  await using file = await DirectFile.openFile(path, 8192, 'make');
  // One byte beside any alignment.
  const buffer = Buffer.alloc(4097, 'x').subarray(1);
  await file.write(buffer, 4096);
  await file.sync();
  const back = Buffer.alloc(4097).subarray(1);
  await file.read(back, 4096);
  assert.ok(back.equals(buffer));
  assert.deepEqual(await readFile(path), Buffer.concat([Buffer.alloc(4096), buffer]));
});

test('a file is emptied unless it is to be kept, and belongs to one person', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  await (await DirectFile.openFile(path, 4096, 'make'))[Symbol.asyncDispose]();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(path, 'old content');
  await (await DirectFile.openFile(path, 8192, 'keep'))[Symbol.asyncDispose]();
  assert.equal((await readFile(path, 'latin1')).replaceAll('\0', ''), 'old content');
  await (await DirectFile.openFile(path, 8192, 'empty'))[Symbol.asyncDispose]();
  assert.ok((await readFile(path)).equals(Buffer.alloc(8192)));
  await assert.rejects(DirectFile.openFile(join(path, 'below'), 4096, 'make'), /cannot write .*below/);
  const nowhere = join(path, '../none/out.img');
  await assert.rejects(
    DirectFile.openFile(nowhere, 4096, 'make'),
    /cannot write .*none.*: there is no directory for it/,
  );
});

/** What a process says that runs statements on the module, and may not make a file larger than 8 KiB. */
function limited(statements: string): string {
  const module = new URL('../../../firmware-profiles/flash/direct-file.js', import.meta.url).href;
  const script = `const { DirectFile } = await import('${module}'); ${statements}`;
  const run = ['-c', 'ulimit -f 16; exec "$0" --input-type=module -e "$1"', process.execPath, script];
  return execFileSync('sh', run, { encoding: 'utf8' });
}

test('a file that its file system does not take is told, and none is left behind', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const said = limited(
    `await DirectFile.openFile('${path}', 2 ** 30, 'make').catch(({ message }) => console.log(message));`,
  );
  assert.match(said, /out\.img takes no file of 1073741824 bytes: choose a smaller --size/);
  assert.equal(await kindOf(path), 'none');
  // Nor is anything lost that was to be overwritten.
  await writeFile(path, 'old content');
  const again = limited(
    `await DirectFile.openFile('${path}', 2 ** 30, 'empty').catch(({ message }) => console.log(message));`,
  );
  assert.match(again, /takes no file of 1073741824 bytes/);
  assert.equal(await readFile(path, 'utf8'), 'old content');
});

test('where only a part of a block finds room, it is said how to go on', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const said = limited(
    `const file = await DirectFile.openFile('${path}', 4096, 'make');
     await file.write(Buffer.alloc(2 ** 20, 1), 0).catch(({ message }) => console.log(message));`,
  );
  assert.match(
    said,
    /no space left for .*out\.img at byte [1-9]\d*: free some and run the same command again/,
  );
});

test('what is at a path is told', async (t) => {
  const directory = await tempDir(t);
  const file = join(directory, 'file');
  await writeFile(file, '');
  assert.deepEqual(await Promise.all([file, directory, '/dev/null', join(directory, 'none')].map(kindOf)), [
    'file',
    'other',
    'other',
    'none',
  ]);
  assert.deepEqual([1, 4096, 4097].map(alignedSize), [4096, 4096, 8192]);
});
