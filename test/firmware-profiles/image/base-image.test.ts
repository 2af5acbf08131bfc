/** Base images of every packing are opened alike; what is none, is cut off or is another one is named as such. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { copyFile, open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CardError } from '#firmware-profiles/card-error.js';
import { CardSource } from '#firmware-profiles/flash/card-source.js';
import { prepareBase } from '#firmware-profiles/flash/flash-card.js';
import { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { openBaseImage } from '#firmware-profiles/image/base-image.js';
import { expectedDigest } from '#firmware-profiles/image/expected-digest.js';
import { copyPart } from '#firmware-profiles/image/sparse-file.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import { openImage, profileNamed, sha256Of, tool, workDirectory } from '#test/helpers/flashing.js';
import { PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoImages();

const PACKERS: Readonly<Record<string, (path: string) => Buffer | Promise<Buffer>>> = {
  raw: (path) => readFile(path),
  gz: async (path) => gzipSync(await readFile(path), { level: 1 }),
  xz: (path) => tool('xz', ['-0', '-c', path]),
  zst: (path) => tool('zstd', ['-q', '--long=31', '-1', '-c', path]),
};

test('an image is the same however it is packed and whatever it is called', { skip }, async (t) => {
  const image = syntheticImage(PI_IMAGE);
  const directory = await tempDir(t);
  const expected = await sha256Of(image);
  for (const [packing, pack] of Object.entries(PACKERS)) {
    const file = join(directory, `image.${packing === 'xz' ? 'zip' : 'dat'}`);
    const packed = await pack(image);
    await writeFile(file, packed);
    const digest = createHash('sha256').update(packed).digest('hex');
    const base = await openImage(t, file, digest);
    assert.equal(base.compression, packing);
    assert.equal(base.sha256, expected, packing);
    assert.equal(await sha256Of(base.disk), expected, packing);
    assert.deepEqual(
      base.table.partitions.map(({ number, type }) => [number, type]),
      [
        [1, 'c'],
        [2, '83'],
      ],
    );
    const wrong = digest.replace(/^./, (letter) => (letter === '0' ? '1' : '0'));
    await assert.rejects(openImage(t, file, wrong), {
      name: 'CardError',
      message: new RegExp(`${digest}, expected ${wrong}; download it again`),
    });
  }
});

test('a raw image is read alike under a path that debugfs or mtools would misread', { skip }, async (t) => {
  const image = syntheticImage(PI_IMAGE);
  const profile = await profileNamed('raspberry-pi-4');
  const { partitions, facts } = await prepareBase(await openImage(t, image), profile);
  assert.ok(partitions.boot !== undefined && facts.boot?.files.has('cmdline.txt'));
  assert.ok(facts.root?.files.size !== 0);
  const names = ['what?offset=1.img', 'a@@512.img', 'a "b".img', 'a $HOME `id` *.img', 'a\\b.img', 'a|b.img'];
  for (const name of names) {
    const odd = join(await tempDir(t), name);
    await copyFile(image, odd);
    assert.deepEqual((await prepareBase(await openImage(t, odd), profile)).facts, facts, name);
    const work = join(await tempDir(t), name);
    await assert.rejects(WorkDirectory.create(work), /its path has @@ or one of \? " .*--work/);
    assert.equal(await sha256Of(odd), await sha256Of(image));
  }
});

test('a packed image that is cut off anywhere is truncated, and nothing of it stays', { skip }, async (t) => {
  const image = syntheticImage(PI_IMAGE);
  const directory = await tempDir(t);
  for (const [packing, pack] of Object.entries(PACKERS)) {
    const packed = await pack(image);
    for (const part of [0.02, 0.5, 0.9, 1 - 4 / packed.length]) {
      const file = join(directory, 'cut');
      await writeFile(file, packed.subarray(0, Math.floor(packed.length * part)));
      const { path } = await workDirectory(t);
      await assert.rejects(
        openBaseImage({ file, workDirectory: path, progress: noProgress }),
        (error: Error) =>
          error instanceof CardError &&
          /^cut is (truncated|damaged)\b.*download it again/s.test(error.message),
        `${packing} cut at ${part}`,
      );
      assert.deepEqual(await readdir(path), []);
    }
  }
});

test('a damaged packed image is not used', { skip }, async (t) => {
  const directory = await tempDir(t);
  for (const packing of ['gz', 'xz']) {
    const packed = (await PACKERS[packing]?.(syntheticImage(PI_IMAGE))) ?? Buffer.alloc(0);
    packed.fill(0xa5, packed.length >> 1, (packed.length >> 1) + 64);
    const file = join(directory, packing);
    await writeFile(file, packed);
    await assert.rejects(
      openImage(t, file),
      /is (damaged|truncated) and cannot be unpacked .*download it again/s,
    );
  }
});

test('what follows the end of a packed image does not get past the digest', { skip }, async (t) => {
  const file = join(await tempDir(t), 'longer');
  const packed = gzipSync(await readFile(syntheticImage(PI_IMAGE)), { level: 1 });
  await writeFile(file, Buffer.concat([packed, Buffer.alloc(4 * 2 ** 20)]));
  const refused = {
    name: 'CardError',
    message: 'longer is damaged and cannot be unpacked (something else follows its end); download it again',
  };
  await assert.rejects(openImage(t, file), refused);
  await assert.rejects(openImage(t, file, 'a1'.repeat(32)), refused);
});

test('a download that goes on while it is read is not taken for the whole', { skip }, async (t) => {
  const file = join(await tempDir(t), 'growing.img');
  await copyFile(syntheticImage(PI_IMAGE), file);
  const digest = await sha256Of(file);
  const { path } = await workDirectory(t);
  let grown = false;
  const advance = () => {
    if (!grown) appendFileSync(file, 'more');
    grown = true;
  };
  await assert.rejects(
    openBaseImage({ file, sha256: digest, workDirectory: path, progress: { ...noProgress, advance } }),
    /growing\.img is not the image that --sha256 names/,
  );
});

test('what is no image is said to be none, with what it is', { skip }, async (t) => {
  const directory = await tempDir(t);
  const cases: Array<[Buffer, RegExp]> = [
    [Buffer.from('hello'), /x is not a disk image: it has no partition table/],
    [Buffer.alloc(0), /x is not a disk image/],
    [Buffer.from('504b030414', 'hex'), /x is a zip archive, not a disk image: unzip it first/],
    [gzipSync('hello'), /x is not a disk image: its first sector is no partition table/],
    [gzipSync(Buffer.alloc(4096)), /x is not a disk image/],
  ];
  for (const [content, message] of cases) {
    await writeFile(join(directory, 'x'), content);
    await assert.rejects(openImage(t, join(directory, 'x')), { name: 'CardError', message });
  }
  await assert.rejects(
    openImage(t, join(directory, 'none')),
    /cannot read the image .*none: there is no such file/,
  );
  await assert.rejects(openImage(t, directory), /is not a file/);
});

test('an image on a medium that fails is named, at every read of it', { skip }, async (t) => {
  if (process.platform === 'linux')
    // A file whose first bytes cannot be read.
    await assert.rejects(openImage(t, '/proc/self/mem'), {
      name: 'CardError',
      message: /^cannot read the image \/proc\/self\/mem: EIO/,
    });
  const file = syntheticImage(PI_IMAGE);
  const base = await openImage(t, file);
  const source = await CardSource.open(base, []);
  const handle = await open(file, 'r');
  const shared = Object.getPrototypeOf(handle) as { read: () => Promise<never> };
  await handle.close();
  t.mock.method(shared, 'read', async () => {
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5 });
  });
  await assert.rejects(source.read(Buffer.alloc(512), 4096), {
    name: 'CardError',
    message: 'the image cannot be read at byte 4096: EIO: i/o error, read',
  });
  await assert.rejects(copyPart(file, 512, 512, join(await tempDir(t), 'part')), {
    name: 'CardError',
    message: /disk\.img cannot be read at byte 512: EIO/,
  });
  await source[Symbol.asyncDispose]();
});

test('a raw image is truncated when a part of a partition is missing', { skip }, async (t) => {
  const file = join(await tempDir(t), 'short.img');
  await copyFile(syntheticImage(PI_IMAGE), file);
  await truncate(file, 80 * 2 ** 20);
  await assert.rejects(openImage(t, file), /short\.img is truncated: partition 2 ends at byte 100663296/);
});

test('a digest is 64 digits, or the line for the image in a file of sha256sum', async (t) => {
  const directory = await tempDir(t);
  const [one, two] = ['a1'.repeat(32), 'b2'.repeat(32)];
  const file = join(directory, 'SHA256SUMS');
  assert.equal(await expectedDigest(one.toUpperCase(), 'x.img'), one);
  await writeFile(file, `${one}  x.img\n${two} *y.img\n`);
  assert.equal(await expectedDigest(file, '/somewhere/y.img'), two);
  await assert.rejects(expectedDigest(file, 'z.img'), /none of its 2 lines is for z\.img/);
  await writeFile(file, `${one}\n`);
  assert.equal(await expectedDigest(file, 'z.img'), one);
  await writeFile(file, 'not found\n');
  await assert.rejects(expectedDigest(file, 'z.img'), /no SHA-256 in it/);
  await assert.rejects(expectedDigest('a1b2', 'z.img'), /neither 64 hexadecimal digits nor a readable file/);
});

const REAL = process.env['COVEY_BASE_IMAGE'] ?? '';
const noReal = REAL === '' ? 'COVEY_BASE_IMAGE names no base image' : skip;

test('the base image of the device tests opens', { skip: noReal }, async (t) => {
  const { table } = await openImage(t, REAL);
  assert.equal(table.partitions.length, 2);
});
