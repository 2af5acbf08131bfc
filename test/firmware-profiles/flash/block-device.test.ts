/**
 * Real block devices: a loop device is written with direct I/O, verified and finished; one that is mounted,
 * write-protected or too small is refused. And full disks, real ones.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { readMark } from '#firmware-profiles/flash/unfinished-mark.js';
import { openBaseImage } from '#firmware-profiles/image/base-image.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import {
  type FlashChanges,
  type Flashed,
  flashTo,
  profileNamed,
  sfdisk,
  sha256Of,
  somePayload,
  tool,
} from '#test/helpers/flashing.js';
import { PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const MIB = 2 ** 20;

function whyNoLoop(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    execFileSync('losetup', ['-f'], { stdio: 'ignore' });
    return whyNoImages();
  } catch {
    return 'needs loop devices';
  }
}

const skip = whyNoLoop();

/** A loop device on a sparse file; both go with the test. */
async function loop(
  t: TestContext,
  mib: number,
  ...args: string[]
): Promise<{ device: string; file: string }> {
  const file = join(await tempDir(t), 'disk');
  // What an old card has: something everywhere.
  await writeFile(file, Buffer.alloc(mib * MIB, 0xa5));
  const device = tool('losetup', ['-f', '--show', ...args, file])
    .toString()
    .trim();
  t.after(() => tool('losetup', ['-d', device]));
  return { device, file };
}

async function tmpfs(t: TestContext, size: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-small-'));
  tool('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]);
  t.after(async () => {
    tool('umount', [directory]);
    await rmdir(directory);
  });
  return directory;
}

const twice = (path: string): FlashChanges => ({ target: { consent: { force: true, destroy: path } } });

async function flash(t: TestContext, path: string, changes: FlashChanges = {}): Promise<Flashed> {
  return flashTo(t, syntheticImage(PI_IMAGE), await profileNamed('raspberry-pi-4'), path, changes);
}

test('a disk is written, verified, and has the card on it', { skip }, async (t) => {
  const { device, file } = await loop(t, 128);
  const before = await sha256Of(file);
  await assert.rejects(
    flash(t, device),
    /is neither removable nor plugged in by USB\. .*--force --yes-destroy \/dev\/loop/,
  );
  assert.equal(await sha256Of(file), before);
  const { sha256, bytes } = await flash(t, device, twice(device));
  assert.equal(await sha256Of(file, 0, bytes), sha256);
  assert.deepEqual(
    sfdisk(device).partitions.map(({ size }) => size),
    PI_IMAGE.partitions.map(({ sizeMib }) => sizeMib * 2048),
  );
  // A backup table of the old card would be found at the end.
  const tail = Buffer.alloc(64 * 1024);
  const handle = await open(file, 'r');
  await handle.read(tail, 0, tail.length, 128 * MIB - tail.length);
  await handle.close();
  assert.ok(tail.equals(Buffer.alloc(tail.length)));
});

test('an interrupted disk is finished by the next run', { skip }, async (t) => {
  const { device, file } = await loop(t, 128);
  const payload = await somePayload(await tempDir(t));
  const stop = new AbortController();
  let windows = 0;
  const progress = {
    ...noProgress,
    advance: () => {
      windows += 1;
      if (windows === 2) stop.abort(new Error('stopped'));
    },
  };
  await assert.rejects(
    flash(t, device, { ...twice(device), payload, progress, signal: stop.signal }),
    /stopped/,
  );
  const head = Buffer.alloc(4096);
  const handle = await open(device, 'r');
  await handle.read(head, 0, head.length, 0);
  await handle.close();
  assert.equal(readMark(head)?.position, 64 * MIB);
  const { sha256, bytes, resumed, notices } = await flash(t, device, { ...twice(device), payload });
  assert.equal(resumed, 64 * MIB);
  assert.match(notices.join(), /going on at 66 %/);
  assert.equal(await sha256Of(file, 0, bytes), sha256);
});

test('a disk that is mounted, protected or too small is refused before it is touched', {
  skip,
}, async (t) => {
  const mounted = await loop(t, 64);
  tool('mke2fs', ['-q', '-F', mounted.device]);
  const directory = join(await tempDir(t), 'mnt');
  await mkdir(directory);
  tool('mount', ['-o', 'ro', mounted.device, directory]);
  try {
    await assert.rejects(
      flash(t, mounted.device),
      new RegExp(`${mounted.device} is in use \\(${directory}\\): unmount it`),
    );
  } finally {
    tool('umount', [directory]);
  }
  const fixed = await loop(t, 128, '-r');
  await assert.rejects(flash(t, fixed.device, twice(fixed.device)), /is write-protected/);
  const small = await loop(t, 64);
  const before = await sha256Of(small.file);
  await assert.rejects(
    flash(t, small.device, twice(small.device)),
    /is too small: it has 0\.07 GB, the image needs 0\.10 GB \(33554432 bytes more\); take a larger card/,
  );
  assert.equal(await sha256Of(small.file), before);
});

test('a disk that another program holds is refused by the kernel', { skip }, async (t) => {
  const { device } = await loop(t, 128);
  const { O_RDWR, O_EXCL } = (await import('node:fs')).constants;
  const other = await open(device, O_RDWR | O_EXCL);
  try {
    await assert.rejects(flash(t, device, twice(device)), /cannot open \/dev\/loop\d+: it is in use/);
  } finally {
    await other.close();
  }
});

test('a full disk below the target is told with the place, and the file is unfinished', {
  skip,
}, async (t) => {
  const directory = await tmpfs(t, '16m');
  const path = join(directory, 'out.img');
  const payload = await somePayload(await tempDir(t), 30 * MIB);
  await assert.rejects(flash(t, path, { payload }), {
    name: 'CardError',
    message: /no space left for .*out\.img at byte \d+: free some and run the same command again/,
  });
  const handle = await open(path, 'r');
  const head = Buffer.alloc(4096);
  await handle.read(head, 0, head.length, 0);
  await handle.close();
  assert.notEqual(readMark(head), undefined);
});

test('a full work directory is told, with what to do, and nothing stays in it', { skip }, async (t) => {
  const directory = await tmpfs(t, '4m');
  const packed = join(await tempDir(t), 'image.zst');
  const noisy = join(await tempDir(t), 'noisy.img');
  await writeFile(noisy, (await import('node:crypto')).randomBytes(8 * MIB));
  await truncate(noisy, 64 * MIB);
  tool('sfdisk', ['-q', noisy], 'label: dos\nstart=2048,type=c\n');
  await writeFile(packed, tool('zstd', ['-q', '-1', '-c', noisy]));
  await assert.rejects(
    openBaseImage({ file: packed, workDirectory: directory, progress: noProgress }),
    /no space left in .*covey-small-\w+, where the image is unpacked: free some, or name another directory with --work/,
  );
  await assert.rejects(stat(join(directory, 'base.img')), /ENOENT/);
});

test('a file in memory is a card too, and is not overwritten by the next', { skip }, async (t) => {
  const path = join(await tmpfs(t, '200m'), 'out.img');
  const { sha256 } = await flash(t, path);
  assert.equal(await sha256Of(path), sha256);
  await assert.rejects(checkTarget({ path, consent: NO_CONSENT }), /exists and is no unfinished card/);
});
