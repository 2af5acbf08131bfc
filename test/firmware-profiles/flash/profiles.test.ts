/**
 * Every shipped profile is flashed to a file, and what is on it is read back by sfdisk, mtools and debugfs: the
 * partition table, every file of the plan, and that nothing outside the customised partition has changed.
 */
import assert from 'node:assert/strict';
import { closeSync, copyFileSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import { planCard } from '#firmware-profiles/plan.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import type { CardStep, Volume } from '#firmware-profiles/step.js';
import {
  CLAIM,
  flashTo,
  openImage,
  profileNamed,
  settingsFor,
  sfdisk,
  sha256Of,
  somePayload,
  tool,
} from '#test/helpers/flashing.js';
import { imageFor, PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoImages();
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk5 someone@example';
const CHOICES = {
  labels: { room: 'kitchen' },
  site: 'home',
  sshKeys: [KEY],
  wifi: { ssid: 'At home', psk: 'ab'.repeat(32), country: 'DE' },
  network: { address: '192.168.1.20/24', gateway: '192.168.1.1', dns: ['192.168.1.1'] },
};

interface Place {
  readonly volume: Volume;
  readonly start: number;
  readonly bytes: number;
}

function placeOf(profile: FirmwareProfile, path: string): Place {
  const { dialect, bootPartition, rootPartition } = profile.spec.boot;
  const volume = dialect === 'direct' ? 'root' : 'boot';
  const number = volume === 'root' ? rootPartition : bootPartition;
  const found = sfdisk(path).partitions.find(({ node }) => node === `${path}${number}`);
  assert.ok(found !== undefined, `partition ${number}`);
  return { volume, start: found.start * 512, bytes: found.size * 512 };
}

function readFile(path: string, { volume, start }: Place, file: string): Buffer {
  return volume === 'boot'
    ? tool('mtype', ['-i', `${path}@@${start}`, `::/${file}`])
    : tool('debugfs', ['-R', `cat "/${file}"`, `${path}?offset=${start}`]);
}

function stat(path: string, { start }: Place, file: string): string {
  return tool('debugfs', ['-R', `stat "/${file}"`, `${path}?offset=${start}`]).toString();
}

/** What a plan leaves on the card: the last write to a path counts. */
function expectedFiles(steps: readonly CardStep[]): Map<string, Extract<CardStep, { kind: 'write' }>> {
  const files = new Map<string, Extract<CardStep, { kind: 'write' }>>();
  for (const step of steps) {
    if (step.kind === 'write') files.set(step.path, step);
    else if (step.kind === 'remove') files.delete(step.path);
  }
  return files;
}

const profiles = await loadProfiles();
assert.ok(profiles.length >= 9);

for (const profile of profiles) {
  const { name } = profile.metadata;
  test(`${name}: the card holds the image, and the plan's files`, { skip }, async (t) => {
    const directory = await tempDir(t);
    const image = syntheticImage(imageFor(profile));
    const path = join(directory, 'out.img');
    const payload = await somePayload(directory);
    const flashed = await flashTo(t, image, profile, path, { payload, settings: CHOICES });
    assert.equal(await sha256Of(path), flashed.sha256);

    const places = (of: string) => {
      const { label, partitions } = sfdisk(of);
      return { label, partitions: partitions.map(({ start, size, type }) => ({ start, size, type })) };
    };
    assert.deepEqual(places(path), places(image));
    const place = placeOf(profile, path);
    const after = place.start + place.bytes;
    assert.equal(await sha256Of(path, 0, place.start), await sha256Of(image, 0, place.start), 'before');
    assert.equal(await sha256Of(path, after), await sha256Of(image, after), 'behind');

    const settings = settingsFor(profile, CHOICES);
    const { facts } = flashed.prepared;
    const steps = planCard({ profile, settings, facts, payload, preload: [] });
    const files = expectedFiles(steps);
    assert.ok(files.size >= 8, 'the plan writes files');
    for (const [file, { content, mode }] of files) {
      const expected = 'text' in content ? Buffer.from(content.text) : readFileSync(content.file);
      assert.ok(readFile(path, place, file).equals(expected), file);
      if (place.volume === 'root') {
        const said = stat(path, place, file);
        assert.match(said, new RegExp(`Mode: +${mode.toString(8).padStart(4, '0')} `), file);
        assert.match(said, /User: +0 +Group: +0 /, file);
      }
    }
    for (const step of steps) {
      if (step.kind === 'symlink')
        assert.ok(stat(path, place, step.path).includes(`"${step.target}"`), step.path);
      if (step.kind === 'label')
        assert.match(tool('mlabel', ['-s', '-i', `${path}@@${place.start}`, '::']).toString(), /CIDATA/);
    }
    assert.equal(readFile(path, place, 'covey/claim').toString(), `${CLAIM}\n`);
    assert.equal(readFile(path, place, 'covey/payload.sha256').toString().slice(0, 64), payload.sha256);

    const part = join(directory, 'part');
    tool('dd', [
      `if=${path}`,
      `of=${part}`,
      'bs=512',
      `skip=${place.start / 512}`,
      `count=${place.bytes / 512}`,
    ]);
    if (place.volume === 'boot') tool('fsck.fat', ['-n', part]);
    else tool('e2fsck', ['-fn', part]);
  });
}

test('the same card is made of the same bytes', { skip }, async (t) => {
  const profile = await profileNamed('raspberry-pi-4');
  const directory = await tempDir(t);
  const image = syntheticImage(PI_IMAGE);
  const payload = await somePayload(directory);
  const first = await flashTo(t, image, profile, join(directory, 'a.img'), { payload });
  const second = await flashTo(t, image, profile, join(directory, 'b.img'), { payload });
  assert.equal(first.sha256, second.sha256);
});

test('a file can be larger than its image', { skip }, async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const size = 512 * 2 ** 20;
  const profile = await profileNamed('qemu-virt-arm64');
  const { bytes, sha256 } = await flashTo(t, syntheticImage(PI_IMAGE), profile, path, { target: { size } });
  assert.equal(readFileSync(path).length, size);
  assert.equal(await sha256Of(path, 0, bytes), sha256);
});

test('an image that is not laid out as its profile says is refused, with what was expected', {
  skip,
}, async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const pi = await profileNamed('raspberry-pi-4');
  const cases: Array<[Parameters<typeof syntheticImage>[0], string, RegExp]> = [
    [
      {
        table: 'dos',
        sizeMib: 16,
        partitions: [{ number: 1, startMib: 1, sizeMib: 8, type: '83', fileSystem: 'ext4' }],
      },
      'raspberry-pi-4',
      /partition 1 of the image is no FAT, as profile raspberry-pi-4 says: is it an image for this board\?/,
    ],
    [PI_IMAGE, 'radxa-rock-5b', /partition 1 of the image is no ext4, as profile radxa-rock-5b says/],
    [
      PI_IMAGE,
      'generic-arm64',
      /boot files on partition 15, which this image does not have \(it has 1: type c/,
    ],
  ];
  for (const [spec, name, message] of cases) {
    const profile = await profileNamed(name);
    await assert.rejects(flashTo(t, syntheticImage(spec), profile, path), { name: 'CardError', message });
  }
  const noPi = { ...PI_IMAGE, partitions: PI_IMAGE.partitions.map((one) => ({ ...one, files: {} })) };
  await assert.rejects(flashTo(t, syntheticImage(noPi), pi, path), /no cmdline\.txt/);
  await assert.rejects(sha256Of(path), /ENOENT/, 'nothing was made');
});

for (const name of ['raspberry-pi-4', 'radxa-rock-5b']) {
  test(`${name}: of a card that is the image for another one, nothing of the first goes along`, {
    skip,
  }, async (t) => {
    const directory = await tempDir(t);
    const profile = await profileNamed(name);
    const first = join(directory, 'first.img');
    await flashTo(t, syntheticImage(imageFor(profile)), profile, first, { settings: CHOICES });
    const path = join(directory, 'second.img');
    await flashTo(t, first, profile, path, { settings: { name: 'cellar-1' } });
    const place = placeOf(profile, path);
    const there = (file: string) =>
      place.volume === 'boot'
        ? tool('mdir', ['-b', '-i', `${path}@@${place.start}`, `::/${file}`]).toString()
        : tool('debugfs', ['-R', `ls -p "/${file}"`, `${path}?offset=${place.start}`]).toString();
    assert.doesNotMatch(there('covey'), /authorized_keys|network/);
    assert.match(readFile(path, place, 'covey/card.json').toString(), /"name": "cellar-1"/);
  });
}

test('letters of an older editor in config.txt stay letters', { skip }, async (t) => {
  const directory = await tempDir(t);
  const image = join(directory, 'old.img');
  copyFileSync(syntheticImage(PI_IMAGE), image);
  const profile = await profileNamed('raspberry-pi-4');
  const place = placeOf(profile, image);
  tool(
    'mcopy',
    ['-o', '-i', `${image}@@${place.start}`, '-', '::/config.txt'],
    Buffer.from('# für\n', 'latin1'),
  );
  const path = join(directory, 'out.img');
  await flashTo(t, image, profile, path);
  assert.match(readFile(path, place, 'config.txt').toString('utf8'), /^# für\n# Covey: begin\n/);
});

test('a root file system that was in use when it was copied is refused: its journal would undo the card', {
  skip,
}, async (t) => {
  const profile = await profileNamed('radxa-rock-5b');
  const directory = await tempDir(t);
  const image = join(directory, 'used.img');
  copyFileSync(syntheticImage(imageFor(profile)), image);
  const { start } = placeOf(profile, image);
  const features = start + 1024 + 96;
  const disk = openSync(image, 'r+');
  const needed = Buffer.alloc(4);
  readSync(disk, needed, 0, 4, features);
  needed.writeUInt32LE(needed.readUInt32LE(0) | 4, 0);
  writeSync(disk, needed, 0, 4, features);
  closeSync(disk);
  const path = join(directory, 'out.img');
  await assert.rejects(flashTo(t, image, profile, path), {
    name: 'CardError',
    message: new RegExp(`was in use when the image was made.*e2fsck -f 'IMAGE\\?offset=${start}'`),
  });
  assert.throws(() => readFileSync(path), /ENOENT/);
});

test('a payload that does not fit on the boot partition is told before anything is written', {
  skip,
}, async (t) => {
  const directory = await tempDir(t);
  const path = join(directory, 'out.img');
  const payload = await somePayload(directory, 60 * 2 ** 20);
  await assert.rejects(
    flashTo(t, syntheticImage(PI_IMAGE), await profileNamed('raspberry-pi-4'), path, { payload }),
    /the boot partition of the image has \d+ MiB free, the card needs 68 MiB/,
  );
  await assert.rejects(sha256Of(path), /ENOENT/);
});

const REAL = process.env['COVEY_BASE_IMAGE'] ?? '';
const noReal = REAL === '' ? 'COVEY_BASE_IMAGE names no base image' : skip;

test('the base image of the device tests becomes a card', { skip: noReal, timeout: 300_000 }, async (t) => {
  const path = join(await tempDir(t), 'out.img');
  const { sha256, prepared } = await flashTo(t, REAL, await profileNamed('raspberry-pi-3'), path);
  assert.equal(await sha256Of(path), sha256);
  const [boot] = prepared.base.table.partitions;
  const after = (boot?.start ?? 0) + (boot?.bytes ?? 0);
  assert.equal(await sha256Of(path, after), await sha256Of((await openImage(t, REAL)).disk, after));
});
