/**
 * A flashed card as the board's firmware sees it, read without root, mounts or loop devices: kernel, initramfs and
 * command line come out of the boot partition at every power-on, because first boot changes them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { programEnvironment } from '#firmware-profiles/lib/program.js';

const SECTOR_BYTES = 512;
/** In an MBR, and in a GPT. */
const FAT_TYPES = ['b', 'c', 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B'];
const LINUX_TYPES = ['83', 'B921B045-1DF0-41C3-AF44-4C6F280D3FAE'];
/** What Raspberry Pi firmware calls the board's serial line, and what it is on QEMU's `virt`. */
const SERIAL = /console=serial0/g;

interface PartitionTable {
  readonly partitiontable: {
    readonly partitions: readonly { readonly start: number; readonly type: string }[];
  };
}

export interface BootFiles {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** What the firmware loads; copies go into the directory. */
export function bootFiles(disk: string, directory: string): BootFiles {
  const boot = bootPartition(disk);
  const take = (name: string) => {
    const target = join(directory, name);
    execFileSync('mcopy', ['-o', '-n', '-i', boot, `::${name}`, target]);
    return target;
  };
  const [line = ''] = readFileSync(take('cmdline.txt'), 'utf8').split('\n');
  // The text console of a screen that is not there would get the messages of systemd.
  const commandLine = line
    .trim()
    .replace(/console=tty1\s*/g, '')
    .replace(SERIAL, 'console=ttyAMA0');
  return { kernel: take('kernel8.img'), initrd: take('initramfs8'), commandLine };
}

/** Text of a file on the boot partition; undefined when there is none. */
export function readFromBoot(disk: string, path: string): string | undefined {
  const { status, stdout } = spawnSync('mtype', ['-i', bootPartition(disk), `::${path}`], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout : undefined;
}

/** Copies a file out of the root file system of an image, zst or raw. */
export function dumpFromRoot(image: string, path: string, target: string): void {
  const raw = image.endsWith('.zst') ? `${target}.img` : image;
  if (raw !== image) {
    const unpack = 'zstd -q -dc --long=27 -- "$1" | cp --sparse=always /dev/stdin "$2"';
    execFileSync('bash', ['-o', 'pipefail', '-c', unpack, 'unpack', image, raw]);
  }
  execFileSync('debugfs', ['-R', `dump ${path} ${target}`, rootOf(raw)], { stdio: 'ignore' });
  if (raw !== image) rmSync(raw);
  if (statSync(target).size === 0) throw new Error(`${image} has no ${path}`);
}

/** The same bytes, at another path; holes stay holes. */
export function copyDisk(from: string, to: string): void {
  execFileSync('cp', ['--sparse=always', '--', from, to]);
}

/** Why cards cannot be made and started here; undefined when they can. */
export function toolsMissing(): string | undefined {
  const tools = ['qemu-system-aarch64', 'sfdisk', 'mcopy', 'zstd', 'debugfs', 'apt-get', 'skopeo'];
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`], { env }).status !== 0);
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}

function bootPartition(disk: string): string {
  return `${disk}@@${partition(disk, FAT_TYPES)}`;
}

/** Offset in bytes of the first partition of one of the types. */
function partition(image: string, types: readonly string[]): number {
  // What it says of a card that was made larger and has not started yet is no news.
  const json = execFileSync('sfdisk', ['--json', image], {
    encoding: 'utf8',
    env: programEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { partitiontable } = JSON.parse(json) as PartitionTable;
  const found = partitiontable.partitions.find(({ type }) => types.includes(type));
  if (found === undefined) throw new Error(`${image} has no partition of type ${types.join(' or ')}`);
  return found.start * SECTOR_BYTES;
}

function rootOf(disk: string): string {
  return `${disk}?offset=${partition(disk, LINUX_TYPES)}`;
}
