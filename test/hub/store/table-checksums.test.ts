/** Which tables are compared at an opening, and which notes must not be trusted any more. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { it, type TestContext } from 'node:test';
import { TableChecksums } from '#hub/store/table-checksums.js';
import { StoreDirs } from '../../helpers/store-dirs.js';

async function setUp(t: TestContext) {
  const dirs = await StoreDirs.make(t);
  await mkdir(dirs.path('db'));
  const put = (name: string, content: string) => writeFile(dirs.path(`db/${name}`), content);
  await put('CURRENT', 'MANIFEST-000004\n');
  await put('000005.ldb', 'five');
  await put('000006.ldb', 'six');
  await put('000007.log', 'log');
  const closed = new TableChecksums(dirs.path('db'), undefined);
  await closed.addNew();
  const note = await closed.note();
  return { dirs, put, note, open: () => new TableChecksums(dirs.path('db'), note) };
}

it('notes the tables of a closed database, and finds them as they were', async (t) => {
  const { note, open } = await setUp(t);
  assert.deepEqual(
    [note.manifest, note.tables.map((table) => table.name)],
    ['MANIFEST-000004', ['000005.ldb', '000006.ldb']],
  );
  assert.equal(await open().verify(), undefined);
});

it('names the table that differs, in content or in size', async (t) => {
  const { put, open } = await setUp(t);
  await put('000006.ldb', 'sax');
  assert.equal(await open().verify(), '000006.ldb does not match its checksum');
  await put('000006.ldb', 'seven');
  assert.equal(await open().verify(), '000006.ldb has 5 bytes, not 3');
});

it('does not compare with the notes of another manifest: a table number may have been used again', async (t) => {
  const { put, open } = await setUp(t);
  await put('CURRENT', 'MANIFEST-000008\n');
  await put('000006.ldb', 'another table');
  assert.equal(await open().verify(), undefined);
});

it('knows after an opening only the tables that were kept untouched', async (t) => {
  const { dirs, put, open } = await setUp(t);
  await put('000009.ldb', 'kept');
  const tables = open();
  assert.equal(await tables.verify(), undefined);
  await rm(dirs.path('db/000005.ldb'));
  await put('000006.ldb', 'written anew');
  await put('000010.ldb', 'maybe still growing');
  await tables.settle();
  assert.deepEqual(
    (await tables.note()).tables.map((table) => table.name),
    ['000009.ldb'],
  );
  await rm(dirs.path('db/000009.ldb'));
  await tables.dropGone();
  assert.deepEqual((await tables.note()).tables, []);
});
