/**
 * Which disks may be overwritten: on a made-up machine with every kind of stack below its root, on this machine's
 * real root, and on recorded answers of macOS.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { link, mkdir, open, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DiskFacts } from '#firmware-profiles/flash/disk-facts.js';
import { type Consent, judgeDisk, NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { linuxDisk } from '#firmware-profiles/flash/linux-disks.js';
import { macDisk } from '#firmware-profiles/flash/mac-disks.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const GIB = 2 ** 30;

interface Machine {
  readonly sys: string;
  readonly proc: string;
  readonly numberOf: (path: string) => Promise<string | undefined>;
}

/** sysfs path of each block device → its number, attributes, what it lies on and what lies on it. */
const DEVICES: Readonly<
  Record<
    string,
    { number: string; attributes: Record<string, string>; slaves?: string[]; holders?: string[] }
  >
> = {
  'pci/ata1/block/sda': { number: '8:0', attributes: { size: '1000000', ro: '0', removable: '0' } },
  'pci/ata1/block/sda/sda1': { number: '8:1', attributes: { size: '1000', partition: '1' } },
  'pci/ata1/block/sda/sda2': {
    number: '8:2',
    attributes: { size: '900000', partition: '2' },
    holders: ['dm-0'],
  },
  'pci/nvme/block/nvme0n1': { number: '259:0', attributes: { size: '4000000000', ro: '0', removable: '0' } },
  'pci/nvme/block/nvme0n1/nvme0n1p1': { number: '259:1', attributes: { size: '3000', partition: '1' } },
  // A crypt on sda2, and a volume of a group on the crypt: the root.
  'virtual/block/dm-0': {
    number: '253:0',
    attributes: { size: '900000' },
    slaves: ['pci/ata1/block/sda/sda2'],
    holders: ['dm-1'],
  },
  'virtual/block/dm-1': { number: '253:1', attributes: { size: '800000' }, slaves: ['virtual/block/dm-0'] },
  'pci/usb1/1-1/block/sdb': {
    number: '8:16',
    attributes: {
      size: '62333952',
      ro: '0',
      removable: '1',
      'queue/logical_block_size': '512',
      'device/vendor': 'Generic',
      'device/model': 'SD Card',
    },
  },
  'pci/usb1/1-1/block/sdb/sdb1': { number: '8:17', attributes: { size: '5000', partition: '1' } },
  'pci/usb1/1-2/block/sdc': { number: '8:32', attributes: { size: '62333952', ro: '0', removable: '0' } },
  'pci/usb1/1-2/block/sdc/sdc1': { number: '8:33', attributes: { size: '5000', partition: '1' } },
  'pci/mmc/block/mmcblk0': {
    number: '179:0',
    attributes: { size: '62333952', ro: '1', removable: '0', 'device/type': 'SD' },
  },
  'pci/mmc/block/mmcblk1': {
    number: '179:8',
    attributes: { size: '62333952', ro: '0', removable: '0', 'device/type': 'MMC' },
  },
  'pci/usb1/1-3/block/sdd': { number: '8:48', attributes: { size: '0', ro: '0', removable: '1' } },
  'pci/usb1/1-5/block/sdf': {
    number: '8:80',
    attributes: { size: '62333952', ro: '0', removable: '1', 'queue/logical_block_size': '4096' },
  },
  'pci/usb1/1-4/block/sde': { number: '8:64', attributes: { size: '1000000000', ro: '0', removable: '0' } },
};

const MOUNTINFO = `22 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw
23 22 0:20 / /proc rw - proc proc rw
24 22 8:1 / /boot rw - ext4 /dev/sda1 rw
25 22 0:42 /@home /home rw - btrfs /dev/nvme0n1p1 rw
26 22 8:33 / /media/some\\040one rw - vfat /dev/sdc1 rw
`;

async function machine(t: TestContext): Promise<Machine> {
  const root = await tempDir(t);
  const sys = join(root, 'sys');
  const place = (name: string) => join(sys, 'devices', name);
  await mkdir(join(sys, 'dev/block'), { recursive: true });
  for (const [name, { number, attributes, slaves = [], holders = [] }] of Object.entries(DEVICES)) {
    for (const [attribute, value] of Object.entries(attributes)) {
      await mkdir(dirname(join(place(name), attribute)), { recursive: true });
      await writeFile(join(place(name), attribute), `${value}\n`);
    }
    await symlink(place(name), join(sys, 'dev/block', number));
    for (const slave of slaves) {
      await mkdir(join(place(name), 'slaves'), { recursive: true });
      await symlink(place(slave), join(place(name), 'slaves', slave.split('/').at(-1) ?? ''));
    }
    for (const holder of holders) await mkdir(join(place(name), 'holders', holder), { recursive: true });
  }
  const proc = join(root, 'proc/self');
  await mkdir(proc, { recursive: true });
  await writeFile(join(proc, 'mountinfo'), MOUNTINFO);
  await writeFile(
    join(root, 'proc/swaps'),
    'Filename Type Size Used Priority\n/dev/dm-1 partition 1 0 -2\n/home/swap\\040file file 1 0 -3\n',
  );
  const numbers = new Map(
    Object.entries(DEVICES).map(([name, { number }]) => [`/dev/${name.split('/').at(-1)}`, number]),
  );
  return { sys, proc, numberOf: async (path) => numbers.get(path) };
}

function verdict(disk: DiskFacts, consent: Consent = NO_CONSENT): string {
  try {
    judgeDisk(disk, consent);
    return 'fine';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a disk of the running system is found through partitions, crypt and volumes, and never written to', async (t) => {
  const made = await machine(t);
  const twice = (path: string) => ({ force: true, destroy: path });
  const sda = await linuxDisk('/dev/sda', made);
  assert.deepEqual([...sda.system].sort(), ['/', '/boot', 'swap']);
  assert.match(
    verdict(sda, twice('/dev/sda')),
    /\/dev\/sda is the disk that this system runs from .*never written/,
  );
  const nvme = await linuxDisk('/dev/nvme0n1', made);
  assert.deepEqual([...nvme.system].sort(), ['/home', 'swap']);
  assert.match(verdict(nvme, twice('/dev/nvme0n1')), /runs from \(\/home, swap\)/);
  assert.match(verdict(await linuxDisk('/dev/sda2', made)), /runs from/);
  assert.match(verdict(await linuxDisk('/dev/dm-1', made)), /runs from/);
});

test('cards pass; what is odd needs to be said twice, naming the disk', async (t) => {
  const made = await machine(t);
  const judge = async (path: string, consent?: Consent) => verdict(await linuxDisk(path, made), consent);
  assert.equal(await judge('/dev/sdb'), 'fine');
  assert.equal((await linuxDisk('/dev/sdb', made)).model, 'Generic SD Card');
  assert.match(await judge('/dev/sdb1'), /\/dev\/sdb1 is a partition; name the whole disk: --to \/dev\/sdb$/);
  const mounted =
    /\/dev\/sdc is in use \(\/media\/some one\): unmount it\. .*--force --yes-destroy \/dev\/sdc/;
  assert.match(await judge('/dev/sdc'), mounted);
  assert.match(await judge('/dev/sdc', { force: true, destroy: undefined }), mounted);
  assert.match(await judge('/dev/sdc', { force: false, destroy: '/dev/sdc' }), mounted);
  assert.match(await judge('/dev/sdc', { force: true, destroy: '/dev/sdb' }), mounted);
  assert.equal(await judge('/dev/sdc', { force: true, destroy: '/dev/sdc' }), 'fine');
  assert.match(await judge('/dev/mmcblk0'), /write-protected: look at the switch/);
  assert.match(await judge('/dev/mmcblk1'), /neither removable nor plugged in by USB/);
  assert.match(await judge('/dev/sdd'), /\/dev\/sdd is empty: put a card into the reader/);
  assert.match(await judge('/dev/sde'), /has 512 GB, unusually much for a card/);
  assert.match(
    await judge('/dev/sdf', { force: true, destroy: '/dev/sdf' }),
    /\/dev\/sdf has sectors of 4096 bytes, and images are laid out for sectors of 512: .*take another disk/,
  );
  await assert.rejects(linuxDisk('/dev/none', made), /\/dev\/none is not a block device/);
});

test('the disk that this machine really runs from is refused', async (t) => {
  if (process.platform !== 'linux') return t.skip('reads the tables of Linux');
  const source = execFileSync('findmnt', ['-no', 'SOURCE', '/'], { encoding: 'utf8' }).trim();
  if (!source.startsWith('/dev/')) return t.skip(`the root is on ${source}, which is no disk`);
  const consent = { force: true, destroy: source };
  await assert.rejects(
    checkTarget({ path: source, consent }),
    /is the disk that this system runs from \(.*\/.*\)/,
  );
  return undefined;
});

test('what is no disk is told so', async (t) => {
  const directory = await tempDir(t);
  const check = (path: string) => checkTarget({ path, consent: NO_CONSENT });
  await assert.rejects(
    check('/dev/no-such-disk'),
    /there is no disk \/dev\/no-such-disk: is the card in the reader\?/,
  );
  await assert.rejects(check('/dev/null'), /is neither a file nor a disk/);
  await assert.rejects(check(directory), /is neither a file nor a disk/);
  await assert.rejects(check(join(directory, 'none/a.img')), /a\.img: there is no directory .*\/none$/);
  const file = join(directory, 'kept.img');
  await writeFile(file, 'precious');
  await assert.rejects(
    check(file),
    /kept\.img exists and is no unfinished card: remove it, or overwrite it with --force/,
  );
});

test('a file that nothing was ever written to may become a card; one with as much as a byte may not', async (t) => {
  const file = join(await tempDir(t), 'made.img');
  const check = () => checkTarget({ path: file, consent: NO_CONSENT });
  // As a run leaves it that is cut off before its first write.
  await writeFile(file, '');
  await truncate(file, 2 ** 20);
  assert.equal((await check()).mustBeFinished, false);
  const handle = await open(file, 'r+');
  await handle.write('x', 2 ** 19);
  await handle.close();
  await assert.rejects(check(), /exists and is no unfinished card/);
});

test('a target that may not be written is told before anything is done', async (t) => {
  const directory = await tempDir(t);
  const path = join(directory, 'kept.img');
  await writeFile(path, '', { mode: 0o400 });
  if (process.getuid?.() !== 0) {
    await assert.rejects(checkTarget({ path, consent: NO_CONSENT }), /kept\.img: no permission/);
    return undefined;
  }
  // An administrator is stopped by a read-only mount only.
  const module = new URL('../../../firmware-profiles/flash/open-target.js', import.meta.url).href;
  const script = `const { checkTarget } = await import('${module}');
    const consent = { force: false };
    await checkTarget({ path: '${path}', consent }).catch(({ message }) => console.log(message));`;
  const mounted =
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" --input-type=module -e "$2"';
  const run = ['--mount', 'sh', '-c', mounted, directory, process.execPath, script];
  const { status, stdout, stderr } = spawnSync('unshare', run, { encoding: 'utf8' });
  if (status !== 0) return t.skip(`no mount of its own here: ${stderr.trim()}`);
  assert.match(stdout, /cannot write .*kept\.img: its file system is read-only/);
  return undefined;
});

test('what a card is made of is never overwritten, under whatever name', async (t) => {
  const directory = await tempDir(t);
  const [image, alias, second] = ['base.img', 'alias.img', 'second.img'].map((name) => join(directory, name));
  assert.ok(image !== undefined && alias !== undefined && second !== undefined);
  await writeFile(image, 'precious');
  await symlink(image, alias);
  await link(image, second);
  const consent = { force: true, destroy: undefined };
  for (const path of [image, alias, second]) {
    const sources = [join(directory, 'none'), image];
    await assert.rejects(checkTarget({ path, consent, sources }), /is what the card is made of/);
  }
  assert.equal((await checkTarget({ path: image, consent, sources: [] })).path, image);
});

/** `diskutil … | plutil -convert json`, shortened to what is read and some of its neighbours. */
const MAC: Readonly<Record<string, unknown>> = {
  'info -plist /': {
    DeviceIdentifier: 'disk3s1s1',
    WholeDisk: false,
    ParentWholeDisk: 'disk3',
    TotalSize: 494384795648,
    Internal: true,
    FilesystemType: 'apfs',
    MountPoint: '/',
    APFSPhysicalStores: [{ APFSPhysicalStore: 'disk0s2' }],
  },
  'info -plist disk0': {
    DeviceIdentifier: 'disk0',
    WholeDisk: true,
    ParentWholeDisk: 'disk0',
    TotalSize: 500277792768,
    Internal: true,
    RemovableMedia: false,
    Ejectable: false,
    WritableMedia: true,
    MediaName: 'APPLE SSD AP0512Z',
  },
  'info -plist disk4': {
    DeviceIdentifier: 'disk4',
    WholeDisk: true,
    ParentWholeDisk: 'disk4',
    TotalSize: 31914983424,
    DeviceBlockSize: 512,
    Internal: true,
    RemovableMedia: true,
    Ejectable: true,
    WritableMedia: true,
    MediaName: 'Built In SDXC Reader',
    MountPoint: '',
  },
  'info -plist disk4s1': {
    DeviceIdentifier: 'disk4s1',
    WholeDisk: false,
    ParentWholeDisk: 'disk4',
    TotalSize: 268435456,
    Internal: true,
    RemovableMedia: true,
    Ejectable: true,
    WritableMedia: true,
    MountPoint: '/Volumes/bootfs',
    MediaName: '',
  },
  'list -plist disk0': { AllDisksAndPartitions: [{ DeviceIdentifier: 'disk0', Partitions: [] }] },
  'list -plist disk4': {
    AllDisksAndPartitions: [
      {
        DeviceIdentifier: 'disk4',
        Content: 'FDisk_partition_scheme',
        Partitions: [
          { DeviceIdentifier: 'disk4s1', MountPoint: '/Volumes/bootfs' },
          { DeviceIdentifier: 'disk4s2' },
        ],
      },
    ],
  },
};

test('macOS: the system is found below its APFS container, and cards are written to as raw devices', async () => {
  const diskutil = async (args: readonly string[]) => {
    const answer = MAC[args.join(' ')];
    if (answer === undefined) throw new Error(`not recorded: ${args.join(' ')}`);
    return JSON.stringify(answer);
  };
  const system = await macDisk('/dev/disk0', diskutil);
  assert.match(
    verdict(system, { force: true, destroy: '/dev/disk0' }),
    /APPLE SSD .* is the disk that this system runs/,
  );
  const card = await macDisk('/dev/disk4', diskutil);
  assert.equal(card.device, '/dev/rdisk4');
  assert.equal(card.bytes, 31914983424);
  assert.match(
    verdict(card),
    /\/dev\/disk4 \(Built In SDXC Reader\) is in use \(\/Volumes\/bootfs\): unmount it/,
  );
  assert.equal(verdict({ ...card, uses: [] }), 'fine');
  assert.equal(card.sectorBytes, 512);
  assert.match(verdict({ ...card, uses: [], sectorBytes: 4096 }), /has sectors of 4096 bytes/);
  assert.match(
    verdict(await macDisk('/dev/rdisk4s1', diskutil)),
    /is a partition; name the whole disk: --to \/dev\/disk4/,
  );
  await assert.rejects(
    macDisk('/dev/sda', diskutil),
    /\/dev\/sda is not a disk; expected one such as \/dev\/disk4/,
  );
  assert.ok(card.bytes < 256 * GIB);
});
