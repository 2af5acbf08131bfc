/**
 * An image for the Raspberry Pi 3 that is built from Debian's packages, read back by other tools, and started from
 * its SD card on an emulated board with the board's own device tree, up to a login.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { programEnvironment } from '#firmware-profiles/lib/program.js';
import { buildFor, whyNoBuild } from './base-image.js';
import { Guest } from './guest.js';

const PROFILE = 'raspberry-pi-3';

interface PartitionTable {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly partitions: ReadonlyArray<{
      readonly start: number;
      readonly size: number;
      readonly type: string;
    }>;
  };
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, [...args], {
    encoding: 'utf8',
    env: programEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
}

describe('an image built for the Raspberry Pi 3', { skip: (await whyNoBuild()) ?? false }, () => {
  let directory: string;
  let image: string;
  let table: PartitionTable['partitiontable'];
  const boot = () => `${image}@@${(table.partitions[0]?.start ?? 0) * 512}`;
  const root = () => `${image}?offset=${(table.partitions[1]?.start ?? 0) * 512}`;
  const read = (path: string) => run('debugfs', ['-R', `cat ${path}`, root()]);
  const list = (path: string) => run('debugfs', ['-R', `ls -p ${path}`, root()]);

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'covey-build-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('is built, or was already', async (t) => {
    const began = performance.now();
    image = await buildFor(PROFILE, join(directory, 'card.img'));
    t.diagnostic(`built in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    table = (JSON.parse(run('sfdisk', ['-J', image])) as PartitionTable).partitiontable;
  });

  test('has a FAT32 and a sound ext4 root, aligned', () => {
    assert.equal(table.label, 'dos');
    assert.deepEqual(
      table.partitions.map(({ type }) => type),
      ['c', '83'],
    );
    for (const { start } of table.partitions) assert.equal(start % 8192, 0);
    run('e2fsck', ['-fn', root()]);
    assert.match(run('minfo', ['-i', boot(), '::']), /disk type="FAT32/);
  });

  test('has what the firmware loads, and a command line and settings with what the profile asks for', () => {
    const names = run('mdir', ['-b', '-i', boot(), '::']).replaceAll('::/', '').split('\n');
    for (const name of [
      ...['bootcode.bin', 'start.elf', 'fixup.dat', 'kernel8.img', 'initramfs8', 'config.txt', 'cmdline.txt'],
      'bcm2837-rpi-3-b.dtb',
    ])
      assert.ok(names.includes(name), `${name} in ${names}`);
    const commandLine = run('mtype', ['-i', boot(), '::cmdline.txt']);
    assert.match(commandLine, new RegExp(`root=PARTUUID=${table.id.slice(2)}-02 .*cgroup_enable=memory`));
    assert.equal(commandLine.trim().split('\n').length, 1);
    assert.match(run('mtype', ['-i', boot(), '::config.txt']), /^arm_64bit=1$/m);
    assert.match(read('/etc/fstab'), new RegExp(`^PARTUUID=${table.id.slice(2)}-02 / ext4`, 'm'));
  });

  test('has the runtime, Wi-Fi firmware and modules; no identity of its own', () => {
    const status = read('/var/lib/dpkg/status');
    for (const name of ['conmon', 'crun', 'nftables', 'firmware-brcm80211', 'openssh-server'])
      assert.match(status, new RegExp(`^Package: ${name}\nStatus: install ok installed$`, 'm'));
    assert.doesNotMatch(status, /^Status: (?!install ok installed$)/m);
    assert.match(list('/usr/lib/firmware/brcm'), /brcmfmac43455-sdio\.txt/);
    const version = /\/([^/]*-arm64)\//.exec(list('/usr/lib/modules'))?.[1] ?? '';
    assert.match(read(`/usr/lib/modules/${version}/modules.dep`), /brcmfmac\.ko/);
    assert.equal(read('/etc/machine-id'), '');
    assert.doesNotMatch(list('/etc/ssh'), /ssh_host/);
    assert.match(read('/etc/shadow'), /^root::/m);
  });

  test('starts from its SD card on an emulated Raspberry Pi 3, with nothing failed', async (t) => {
    const deviceTree = join(directory, 'board.dtb');
    run('mcopy', ['-n', '-i', boot(), '::bcm2837-rpi-3-b.dtb', deviceTree]);
    const log = join(directory, 'console.log');
    const began = performance.now();
    await using guest = Guest.start({ disk: image, deviceTree, log });
    await guest.login();
    t.diagnostic(`power on to logged in: ${((performance.now() - began) / 1000).toFixed(0)} s`);
    assert.match(await guest.output('tr -d "\\0" </proc/device-tree/model'), /^Raspberry Pi 3 Model B/);
    assert.match(await guest.output('findmnt -n -o SOURCE /'), /^\/dev\/mmcblk\dp2$/);
    assert.match(await guest.output('findmnt -n -o FSTYPE,OPTIONS /boot/firmware'), /^vfat .*fmask=0077/);
    await guest.run('systemctl is-system-running --wait', 180_000);
    assert.equal(await guest.output('systemctl --failed --no-legend --plain'), '');
    assert.match(await guest.output('cat /sys/fs/cgroup/cgroup.controllers'), /\bmemory\b/);
    assert.match(await guest.output('cat /etc/machine-id'), /^[0-9a-f]{32}$/);
    assert.equal(await guest.output('systemctl is-enabled ssh || true'), 'disabled');
  });
});
