/**
 * Facts about a disk on Linux, from sysfs and the kernel's tables of mounts and swap. A use counts for every disk
 * below it: partitions, LVM, dm-crypt and RAID are followed down to the disks that they lie on, so the disk of
 * /, /boot, /usr or swap is found however it is stacked.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CardError } from '../card-error.js';
import type { DiskFacts } from './disk-facts.js';

const SYSTEM_MOUNTS = /^\/(|boot|boot\/efi|boot\/firmware|efi|usr|var|home|etc|opt|nix|nix\/store)$/;
const SECTOR_BYTES = 512;
/** Deeper than any sane stack of volumes. */
const MAX_DEPTH = 16;

export interface LinuxDisksOptions {
  /** '/sys' and '/proc/self', unless a test brings its own. */
  readonly sys?: string;
  readonly proc?: string;
  /** 'major:minor' of a device file; undefined when it is none. */
  readonly numberOf?: (path: string) => Promise<string | undefined>;
}

interface Use {
  readonly what: string;
  readonly isSystem: boolean;
  /** 'major:minor'. */
  readonly device: string;
}

export async function linuxDisk(path: string, options: LinuxDisksOptions = {}): Promise<DiskFacts> {
  const { sys = '/sys', proc = '/proc/self', numberOf = deviceNumber } = options;
  const number = await numberOf(path);
  if (number === undefined) throw new CardError(`${path} is not a block device`);
  const directory = await realpath(join(sys, 'dev/block', number)).catch(() => {
    throw new CardError(`the kernel does not know the disk ${path} (${number})`);
  });
  const attribute = async (name: string) =>
    (await readFile(join(directory, name), 'utf8').catch(() => '')).trim();
  const isPartition = (await attribute('partition')) !== '';
  const name = basename(directory);
  const uses = await usesOf({ proc, numberOf });
  const own: Use[] = [];
  for (const use of uses) {
    const below = await disksBelow(sys, use.device);
    if (below.has(directory) || (isPartition && below.has(dirname(directory)))) own.push(use);
  }
  const texts = (isSystem: boolean) => own.filter((use) => use.isSystem === isSystem).map(({ what }) => what);
  return {
    path,
    device: path,
    bytes: Number((await attribute('size')) || 0) * SECTOR_BYTES,
    ...(isPartition
      ? {}
      : { sectorBytes: Number(await attribute('queue/logical_block_size')) || SECTOR_BYTES }),
    model: [await attribute('device/vendor'), await attribute('device/model'), await attribute('device/name')]
      .filter((part) => part !== '')
      .join(' '),
    ...(isPartition ? { partOf: `/dev/${basename(dirname(directory))}` } : {}),
    readOnly: (await attribute('ro')) === '1',
    removable: await isRemovable(directory, name, attribute),
    system: texts(true),
    uses: [...texts(false), ...(await holdersOf(directory))],
  };
}

/** Card readers of the mmc kind do not call their cards removable; eMMC, which is none, has its own type. */
async function isRemovable(
  directory: string,
  name: string,
  attribute: (name: string) => Promise<string>,
): Promise<boolean> {
  if ((await attribute('removable')) === '1') return true;
  if (name.startsWith('mmcblk')) return (await attribute('device/type')) === 'SD';
  return /\/usb\d+\//.test(directory);
}

/** Everything that is mounted or swapped on, with the device that it is on. */
async function usesOf({
  proc,
  numberOf,
}: Pick<Required<LinuxDisksOptions>, 'proc' | 'numberOf'>): Promise<readonly Use[]> {
  const uses: Use[] = [];
  const mounts = await readFile(join(proc, 'mountinfo'), 'utf8');
  for (const line of mounts.split('\n').filter((text) => text !== '')) {
    const [front = '', back = ''] = line.split(' - ');
    const [, , device = '', , mountPoint = ''] = front.split(' ');
    const [, source = ''] = back.split(' ');
    const what = unescapeOctal(mountPoint);
    const isSystem = SYSTEM_MOUNTS.test(what);
    uses.push({ what, isSystem, device });
    // btrfs and others have a number that no disk has: then the source names one.
    if (device.startsWith('0:') && source.startsWith('/')) {
      const number = await numberOf(unescapeOctal(source));
      if (number !== undefined) uses.push({ what, isSystem, device: number });
    }
  }
  const mounted = [...uses];
  const swaps = await readFile(join(dirname(proc), 'swaps'), 'utf8').catch(() => '');
  for (const line of swaps.split('\n').slice(1)) {
    const [name = '', type] = line.split(/\s+/);
    const file = unescapeOctal(name);
    const number = type === 'partition' ? await numberOf(file) : mountOf(file, mounted)?.device;
    if (number !== undefined) uses.push({ what: 'swap', isSystem: true, device: number });
  }
  return uses.filter(({ device }) => device !== '');
}

/** The mount that a file is on. */
function mountOf(file: string, mounts: readonly Use[]): Use | undefined {
  const above = mounts.filter(({ what }) => file.startsWith(what === '/' ? what : `${what}/`));
  // Of several on the same place the last one counts; with btrfs that is the one that names the disk.
  return above.sort((a, b) => a.what.length - b.what.length).at(-1);
}

/** sysfs directories of a device, of the disk that it is a part of, and of everything that those lie on. */
async function disksBelow(sys: string, number: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const visit = async (directory: string, depth: number): Promise<void> => {
    if (found.has(directory) || depth > MAX_DEPTH) return;
    found.add(directory);
    for (const slave of await readdir(join(directory, 'slaves')).catch(() => [])) {
      await visit(await realpath(join(directory, 'slaves', slave)), depth + 1);
    }
    const isPartition = await stat(join(directory, 'partition')).catch(() => undefined);
    if (isPartition !== undefined) await visit(dirname(directory), depth + 1);
  };
  const start = await realpath(join(sys, 'dev/block', number)).catch(() => undefined);
  if (start !== undefined) await visit(start, 0);
  return found;
}

/** What sits on the disk or one of its partitions: volumes that are active though nothing of them is mounted. */
async function holdersOf(directory: string): Promise<readonly string[]> {
  const name = basename(directory);
  const parts = (await readdir(directory)).filter((entry) => entry.startsWith(name));
  const holders = await Promise.all(
    ['.', ...parts].map((part) => readdir(join(directory, part, 'holders')).catch(() => [])),
  );
  return holders.flat().map((holder) => `/dev/${holder}`);
}

async function deviceNumber(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isBlockDevice()) return undefined;
  // As glibc's gnu_dev_major and gnu_dev_minor.
  const device = BigInt(found.rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** The kernel writes blanks in paths as \040. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
