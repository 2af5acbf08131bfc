/** Temporary files on a disk that fills up: what was written in part is no whole file. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { copyPart, SparseFile } from '#firmware-profiles/image/sparse-file.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const KIB = 1024;

test('a file of which only a part finds room is refused, not shortened', async (t) => {
  const path = join(await tempDir(t), 'base.img');
  const module = new URL('../../../firmware-profiles/image/sparse-file.js', import.meta.url).href;
  const script = `const { SparseFile } = await import('${module}');
    const file = await SparseFile.create('${path}');
    await file.append(Buffer.alloc(${12 * KIB}, 1));
    await file.finish().then(console.log, ({ message }) => console.log(message));`;
  // No process may make a file larger than 8 KiB here.
  const run = ['-c', 'ulimit -f 16; exec "$0" --input-type=module -e "$1"', process.execPath, script];
  assert.match(
    execFileSync('sh', run, { encoding: 'utf8' }),
    /^no space left in .*, where the image is unpacked: free some, or name another directory with --work/,
  );
});

test('a part of a file is copied as it is, holes and an odd end with it', async (t) => {
  const directory = await tempDir(t);
  const [from, to] = [join(directory, 'from'), join(directory, 'to')];
  const content = Buffer.alloc(3 * KIB * KIB + 5);
  content.fill('begin', 0, 700);
  content.fill('end', 2 * KIB * KIB + 300);
  {
    await using file = await SparseFile.create(from);
    await file.append(content);
    assert.equal(await file.finish(), content.length);
  }
  assert.ok((await readFile(from)).equals(content));
  await copyPart(from, 512, content.length - 600, to);
  assert.ok((await readFile(to)).equals(content.subarray(512, content.length - 88)));
});
