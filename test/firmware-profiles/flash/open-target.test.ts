/** A target is looked at minutes before it is written to: what it has become by then counts. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectFile } from '#firmware-profiles/flash/direct-file.js';
import type { DiskFacts } from '#firmware-profiles/flash/disk-facts.js';
import { NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { writeMark } from '#firmware-profiles/flash/unfinished-mark.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const FORCE = { force: true, destroy: undefined };

test('a file that appears before its card is written is not touched', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  for (const consent of [NO_CONSENT, FORCE]) {
    const target = await checkTarget({ path, consent });
    await writeFile(path, 'precious');
    await assert.rejects(target.open(8192), /out\.img is not what it was when it was looked at/);
    assert.equal(await readFile(path, 'utf8'), 'precious');
    await rm(path);
  }
  // Between the last look and the opening.
  await writeFile(path, 'precious');
  await assert.rejects(DirectFile.openFile(path, 8192, 'make'), /cannot write .*something else has just/);
  assert.equal(await readFile(path, 'utf8'), 'precious');
  await symlink(join(path, '../none.img'), `${path}.link`);
  await assert.rejects(
    DirectFile.openFile(`${path}.link`, 8192, 'make'),
    /or it is a link that leads nowhere/,
  );
});

test('an unfinished card that another run has finished meanwhile is not written to', async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const head = Buffer.alloc(4096);
  writeMark(head, { image: 'a'.repeat(64), card: 'a/b', position: 0, bytes: 8192 });
  await writeFile(path, head);
  const target = await checkTarget({ path, consent: NO_CONSENT });
  await writeFile(path, 'finished');
  await assert.rejects(target.open(8192), /out\.img is not what it was when it was looked at/);
  assert.equal(await readFile(path, 'utf8'), 'finished');
});

const disk = readdirSync('/dev').find((name) => existsSync(`/sys/block/${name}`));

test('a card that was changed in its reader is judged as the one that is there', {
  skip: disk === undefined ? 'needs a block device to look at' : false,
}, async () => {
  const path = `/dev/${disk}`;
  const card: DiskFacts = {
    ...{ path, device: '/nowhere', bytes: 2 ** 34, sectorBytes: 512, model: 'Card' },
    ...{ readOnly: false, removable: true, system: [], uses: [] },
  };
  let there: DiskFacts = card;
  const target = await checkTarget({ path, consent: NO_CONSENT, probe: async () => there });
  for (const [change, message] of [
    [{ uses: ['/mnt'] }, /\(Card\) is in use \(\/mnt\)/],
    [{ bytes: 4096 }, /is too small: it has 0\.00 GB, the image needs/],
    [{ bytes: 0 }, /is empty: put a card into the reader/],
    [{ system: ['/'] }, /is the disk that this system runs from/],
    [{}, /cannot open \/nowhere/],
  ] as const) {
    there = { ...card, ...change };
    await assert.rejects(target.open(8192), { name: 'CardError', message });
  }
});
