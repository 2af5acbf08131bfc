/** Files go into FAT and ext4 and come back, as other programs see them too, and the file systems stay sound. */
import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { copyFile, mkdtemp, readdir, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Ext4Volume, isExt } from '#firmware-profiles/image/ext4-volume.js';
import { FatVolume, isFat } from '#firmware-profiles/image/fat-volume.js';
import type { VolumeAccess, VolumePlace } from '#firmware-profiles/image/volume.js';
import { eventually } from '#test/helpers/eventually.js';
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
    await volume.removeTree('covey/Empty');
    await volume.write('covey/a b/c/d.txt', { text: 'deep' }, 0o644);
    await volume.removeTree('covey');
    await volume.removeTree('covey');
    assert.deepEqual(await volume.list('covey'), []);
    assert.equal(await volume.read('covey/a b/c/d.txt'), undefined);
    assert.equal(await volume.freeBytes(), free);
    await checkSound(kind, place);
    await volume.write('covey/claim', { text: 'three\n' }, 0o600);
    assert.equal((await volume.read('covey/claim'))?.toString(), 'three\n');
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

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: a disk that has no room for the copy is told apart from a full volume`, {
    skip,
  }, async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root, to mount a small file system');
    const { file } = await made(t, kind);
    const small = await mkdtemp(join(tmpdir(), 'covey-small-'));
    tool('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', small]);
    try {
      const copy = join(small, 'copy.img');
      tool('cp', ['--sparse=always', file, copy]);
      const used = Math.ceil((await stat(copy)).blocks / 2);
      tool('mount', ['-o', `remount,size=${used + 8}k`, small]);
      const volume = kind.open({ file: copy, offset: OFFSET, time: CLAIM_TIME });
      const claim = { text: 'secret '.repeat(5000) };
      await assert.rejects(volume.write('covey/claim', claim, 0o600), {
        name: 'CardError',
        message: `no space left in ${small}, where the image is unpacked: free some, or name another directory with --work`,
      });
      assert.deepEqual(await readdir(small), ['copy.img']);
    } finally {
      tool('umount', [small]);
      await rmdir(small);
    }
    return undefined;
  });
}

test('ext4: a text lies beside the volume until it is in, where a killed run is cleaned up after', {
  skip,
}, async (t) => {
  const place = await made(t, KINDS['ext4'] as Kind);
  const volume = new Ext4Volume(place);
  const watcher = watch(dirname(place.file));
  const seen: (string | null)[] = [];
  watcher.on('change', (_kind, name) => seen.push(String(name)));
  await volume.write('claim', { text: 'secret\n' }, 0o600);
  await eventually(
    'the scratch directory is seen',
    10_000,
    async () => seen.some((name) => name?.startsWith('covey-write-')) || undefined,
  );
  watcher.close();
  assert.deepEqual((await readdir(dirname(place.file))).sort(), ['disk.img', 'part']);
});

test('FAT: a root directory without a free slot is told', { skip }, async (t) => {
  const kind = KINDS['FAT'] as Kind;
  const make = (file: string) => tool('mkfs.vfat', ['-F', '16', '-r', '16', file]);
  const volume = kind.open(await made(t, { ...kind, make }));
  const fill = async () => {
    for (let index = 0; index < 65; index += 1) await volume.write(`F${index}`, { text: '' }, 0o644);
  };
  await assert.rejects(fill, /^CardError: F6\d does not fit on the boot partition: it is full$/);
  await assert.rejects(volume.write('covey/claim', { text: '' }, 0o644), /covey does not fit on the boot/);
});

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
