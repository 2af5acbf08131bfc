/** Files go into FAT and ext4 and come back, as other programs see them too, and the file systems stay sound. */
import assert from 'node:assert/strict';
import { copyFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Ext4Volume, isExt } from '#firmware-profiles/image/ext4-volume.js';
import { FatVolume, isFat } from '#firmware-profiles/image/fat-volume.js';
import type { VolumeAccess, VolumePlace } from '#firmware-profiles/image/volume.js';
import { CLAIM_TIME, sha256Of, tool } from '#test/helpers/flashing.js';
import { whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoImages();
const MIB = 2 ** 20;
/** The volume does not begin the file. */
const OFFSET = MIB;

interface Kind {
  readonly make: (file: string) => void;
  readonly open: (place: VolumePlace) => VolumeAccess;
  readonly check: (file: string) => void;
}

const KINDS: Readonly<Record<string, Kind>> = {
  FAT: {
    make: (file) => tool('mkfs.vfat', ['-n', 'FIRST', file]),
    open: (place) => new FatVolume(place),
    check: (file) => tool('fsck.fat', ['-n', file]),
  },
  ext4: {
    make: (file) => tool('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'FIRST', file]),
    open: (place) => new Ext4Volume(place),
    check: (file) => tool('e2fsck', ['-fn', file]),
  },
};

async function made(t: TestContext, { make }: Kind): Promise<VolumePlace> {
  const directory = await tempDir(t);
  const part = join(directory, 'part');
  const file = join(directory, 'disk.img');
  await writeFile(part, '');
  await truncate(part, 24 * MIB);
  make(part);
  tool('dd', [`if=${part}`, `of=${file}`, 'bs=1M', 'seek=1', 'status=none']);
  return { file, offset: OFFSET, time: CLAIM_TIME };
}

async function checkSound(kind: Kind, { file }: VolumePlace): Promise<void> {
  const part = `${file}.part`;
  tool('dd', [`if=${file}`, `of=${part}`, 'bs=1M', 'skip=1', 'status=none']);
  kind.check(part);
}

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: files, directories and labels`, { skip }, async (t) => {
    const place = await made(t, kind);
    const volume = kind.open(place);
    assert.equal(await volume.label(), 'FIRST');
    assert.equal(await volume.read('covey/claim'), undefined);
    assert.deepEqual(await volume.list('covey'), []);
    const free = await volume.freeBytes();
    assert.ok(free > 15 * MIB && free < 24 * MIB, String(free));

    const big = join(await tempDir(t), 'big file');
    await writeFile(big, Buffer.alloc(5 * MIB, 'big'));
    await volume.write('covey/preload/big.tar', { file: big }, 0o644);
    await volume.write('covey/claim', { text: 'one\n' }, 0o600);
    await volume.write('covey/claim', { text: 'two, longer than before\n' }, 0o600);
    await volume.write('covey/Empty', { text: '' }, 0o644);
    assert.equal((await volume.read('covey/claim'))?.toString(), 'two, longer than before\n');
    assert.equal((await volume.read('covey/Empty'))?.length, 0);
    assert.equal((await volume.read('covey/preload/big.tar'))?.length, 5 * MIB);
    assert.deepEqual([...(await volume.list('covey'))].sort(), ['Empty', 'claim', 'preload']);
    assert.ok((await volume.freeBytes()) <= free - 5 * MIB);
    await checkSound(kind, place);

    await volume.remove('covey/claim');
    await volume.remove('covey/claim');
    assert.equal(await volume.read('covey/claim'), undefined);
    await volume.setLabel('CIDATA');
    assert.equal(await volume.label(), 'CIDATA');
    await checkSound(kind, place);
  });

  test(`${name}: the same writes give the same bytes`, { skip }, async (t) => {
    const place = await made(t, kind);
    const copy = { ...place, file: `${place.file}.copy` };
    await copyFile(place.file, copy.file);
    for (const [index, one] of [place, copy].entries()) {
      const volume = kind.open(one);
      await volume.write('a/b/c.txt', { text: 'text\n' }, 0o644);
      await volume.write('a/b/c.txt', { text: 'other text\n' }, 0o644);
      await volume.remove('a/none');
      // The time of day must not get into the second.
      if (index === 0) tool('sleep', ['2.1']);
    }
    assert.equal(await sha256Of(place.file), await sha256Of(copy.file));
  });

  test(`${name}: what does not fit is named, and odd names are refused`, { skip }, async (t) => {
    const place = await made(t, kind);
    const volume = kind.open(place);
    const big = join(await tempDir(t), 'big');
    await writeFile(big, Buffer.alloc(30 * MIB, 'x'));
    await assert.rejects(volume.write('covey/big', { file: big }, 0o644), /covey\/big does not fit/);
    await assert.rejects(volume.write('../up', { text: '' }, 0o644), /"\.\.\/up" cannot be a file on a card/);
    await assert.rejects(volume.write('a"b', { text: '' }, 0o644), /cannot be a file/);
  });
}

test('ext4: owner, mode, time and links are those of the step', { skip }, async (t) => {
  const kind = KINDS['ext4'] as Kind;
  const place = await made(t, kind);
  const volume = kind.open(place);
  await volume.write('etc/secret', { text: 's\n' }, 0o600);
  await volume.write('usr/bin/run', { text: '#!/bin/sh\n' }, 0o755);
  await volume.symlink('etc/wants/unit', '../unit');
  await volume.symlink('etc/wants/unit', '../other');
  const stat = (path: string) =>
    tool('debugfs', ['-R', `stat ${path}`, `${place.file}?offset=${OFFSET}`]).toString();
  assert.match(stat('/etc/secret'), /Mode: {2}0600 .*User: {5}0 {3}Group: {5}0/s);
  assert.match(stat('/etc/secret'), /mtime: 0x6553f100/);
  assert.match(stat('/usr/bin/run'), /Mode: {2}0755/);
  assert.match(stat('/etc/wants/unit'), /Type: symlink.*Fast link dest: "\.\.\/other"/s);
  await checkSound(kind, place);
});

test('a FAT has no links', { skip }, async (t) => {
  const kind = KINDS['FAT'] as Kind;
  await assert.rejects(kind.open(await made(t, kind)).symlink('a', 'b'), /a FAT has no symbolic links/);
});

test('file systems are told apart by their first sectors', { skip }, async (t) => {
  const [fat, ext] = [await made(t, KINDS['FAT'] as Kind), await made(t, KINDS['ext4'] as Kind)];
  assert.deepEqual([await isFat(fat), await isExt(fat)], [true, false]);
  assert.deepEqual([await isFat(ext), await isExt(ext)], [false, true]);
  // A partition table ends with the same two bytes as a FAT's first sector.
  tool('sfdisk', ['-q', ext.file], 'label: dos\nstart=2048,size=4096\n');
  assert.equal(await isFat({ file: ext.file, offset: 0 }), false);
});
