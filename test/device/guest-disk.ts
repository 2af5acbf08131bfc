/**
 * The disks of the arm64 device under test, made without root, mounts or loop devices: a copy of the base
 * image with the agent's services written into its root file system, and what its firmware would load.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Label of the second disk's file system, mounted on `PAYLOAD_MOUNT`. */
export const PAYLOAD_LABEL = 'covey-payload';
export const PAYLOAD_MOUNT = '/opt/covey';

const SECTOR_BYTES = 512;
const FAT_TYPES = [0x0b, 0x0c];
const LINUX_TYPE = 0x83;

export interface GuestDisk {
  readonly path: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** Unpacks the image (zst or raw) sparsely, and takes kernel, initramfs and command line out of its boot partition. */
export function unpackBase(image: string, directory: string): GuestDisk {
  const path = join(directory, 'card.img');
  const command = image.endsWith('.zst')
    ? 'zstd -q -dc --long=27 -- "$1" | cp --sparse=always /dev/stdin "$2"'
    : 'cp --sparse=always -- "$1" "$2"';
  execFileSync('bash', ['-o', 'pipefail', '-c', command, 'unpack', image, path]);
  const boot = `${path}@@${partition(path, FAT_TYPES)}`;
  const take = (name: string) => {
    const target = join(directory, name);
    execFileSync('mcopy', ['-n', '-i', boot, `::${name}`, target]);
    return target;
  };
  const commandLine = readFileSync(take('cmdline.txt'), 'utf8')
    .trim()
    .replace(/console=\S+\s*/g, '');
  return { path, kernel: take('kernel8.img'), initrd: take('initramfs8'), commandLine };
}

/** Text of a file in the image's root file system. */
export function readFromRoot(disk: GuestDisk, path: string): string {
  return execFileSync('debugfs', ['-R', `cat ${path}`, rootOf(disk)], {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Copies a file out of the image's root file system. */
export function dumpFromRoot(disk: GuestDisk, path: string, target: string): void {
  execFileSync('debugfs', ['-R', `dump ${path} ${target}`, rootOf(disk)], { stdio: 'ignore' });
  if (statSync(target).size === 0) throw new Error(`the base image has no ${path}`);
}

/** Replaces or adds files in the image's root file system, and links. The directories exist. */
export function writeToRoot(
  disk: GuestDisk,
  scratch: string,
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>>,
): void {
  mkdirSync(scratch, { recursive: true });
  const commands: string[] = [];
  for (const [path, text] of Object.entries(files)) {
    const source = join(scratch, path.replaceAll('/', '_'));
    writeFileSync(source, text, { mode: 0o644 });
    const [, directory = '/', name = ''] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
    commands.push(`cd ${directory}`, `rm ${name}`, `write ${source} ${name}`);
  }
  for (const [path, target] of Object.entries(links)) commands.push(`symlink ${path} ${target}`);
  const script = join(scratch, 'debugfs.txt');
  writeFileSync(script, `${commands.join('\n')}\n`);
  execFileSync('debugfs', ['-w', '-f', script, rootOf(disk)], { stdio: 'ignore' });
  for (const [path, text] of Object.entries(files)) {
    if (readFromRoot(disk, path) !== text) throw new Error(`debugfs did not write ${path} into ${disk.path}`);
  }
}

/** Makes an ext4 image of a directory. */
export function makePayloadDisk(source: string, path: string): void {
  const used = Number(execFileSync('du', ['-sk', source], { encoding: 'utf8' }).split('\t')[0]);
  const size = `${Math.ceil((used * 1.2) / 1024) + 16}M`;
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', PAYLOAD_LABEL, '-d', source, path, size], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** The link by which systemd starts a service at boot. */
export function enableService(name: string): Readonly<Record<string, string>> {
  return { [`/etc/systemd/system/multi-user.target.wants/${name}`]: `/etc/systemd/system/${name}` };
}

/** Why these disks cannot be made here; undefined when they can. */
export function toolsMissing(): string | undefined {
  const tools = ['qemu-system-aarch64', 'mcopy', 'zstd', 'debugfs', 'mke2fs', 'apt-get', 'dpkg-deb'];
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`], { env }).status !== 0);
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}

/** Offset in bytes of the first partition of one of the types. */
function partition(image: string, types: readonly number[]): number {
  const table = Buffer.alloc(SECTOR_BYTES);
  const file = openSync(image, 'r');
  try {
    readSync(file, table, 0, SECTOR_BYTES, 0);
  } finally {
    closeSync(file);
  }
  for (let index = 0; index < 4; index += 1) {
    const entry = table.subarray(446 + 16 * index, 462 + 16 * index);
    if (types.includes(entry[4] ?? 0)) return entry.readUInt32LE(8) * SECTOR_BYTES;
  }
  throw new Error(`${image} has no partition of type ${types.map((type) => `0x${type.toString(16)}`)}`);
}

function rootOf(disk: GuestDisk): string {
  return `${disk.path}?offset=${partition(disk.path, [LINUX_TYPE])}`;
}
