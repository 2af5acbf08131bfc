/** Texts of a bounded size: whole, or not at all. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTextWithin } from '#firmware-profiles/lib/read-text.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('a text is read whole up to its limit, and one that is longer not at all', async (t) => {
  const path = join(await tempDir(t), 'text');
  // Longer than one read, and a letter of two bytes across its end.
  const text = `${'x'.repeat(65_535)}é${'y'.repeat(70_000)}`;
  await writeFile(path, text);
  const bytes = Buffer.byteLength(text);
  assert.equal(await readTextWithin(path, bytes), text);
  assert.equal(await readTextWithin(path, bytes - 1), undefined);
  await writeFile(path, '\uFEFFas Windows writes it');
  assert.equal(await readTextWithin(path, 100), 'as Windows writes it');
  await writeFile(path, '');
  assert.equal(await readTextWithin(path, 0), '');
  await assert.rejects(readTextWithin(`${path}.none`, 10), /ENOENT/);
});

test('what has no end is not read to it', async () => {
  assert.equal(await readTextWithin('/dev/zero', 100_000), undefined);
});
