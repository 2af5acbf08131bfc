/** Targets as files: what direct I/O refuses is done with ordinary I/O, and an emptied file reads as zeros. */
import assert from 'node:assert/strict';
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
  await using file = await DirectFile.openFile(path, 8192, false);
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
  await (await DirectFile.openFile(path, 4096, false))[Symbol.asyncDispose]();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(path, 'old content');
  await (await DirectFile.openFile(path, 8192, true))[Symbol.asyncDispose]();
  assert.equal((await readFile(path, 'latin1')).replaceAll('\0', ''), 'old content');
  await (await DirectFile.openFile(path, 8192, false))[Symbol.asyncDispose]();
  assert.ok((await readFile(path)).equals(Buffer.alloc(8192)));
  await assert.rejects(DirectFile.openFile(join(path, 'below'), 4096, false), /cannot write .*below/);
  const nowhere = join(path, '../none/out.img');
  await assert.rejects(DirectFile.openFile(nowhere, 4096, false), /there is no directory .*none/);
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
