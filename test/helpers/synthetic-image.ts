/**
 * Small base images, laid out as those of real boards: made with sfdisk, mkfs.vfat and mke2fs, without root. An
 * image is made once for all tests of a machine and kept in its temporary directory; tests only read it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { programEnvironment } from '#firmware-profiles/lib/program.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';

const MIB = 2 ** 20;
/** Part of the cache's key: to be changed with this file. */
const GENERATION = 4;

export interface PartitionSpec {
  readonly number: number;
  readonly startMib: number;
  readonly sizeMib: number;
  /** As sfdisk takes it: a type of an MBR, or a GPT alias. */
  readonly type: string;
  readonly fileSystem: 'fat' | 'ext4' | 'none';
  readonly label?: string;
  readonly files?: Readonly<Record<string, string>>;
}

export interface ImageSpec {
  readonly table: 'dos' | 'gpt';
  readonly sizeMib: number;
  readonly partitions: readonly PartitionSpec[];
}

const BOOT_FILES: Readonly<Record<string, string>> = {
  'cmdline.txt': 'console=serial0,115200 root=PARTUUID=deadbeef-02 rootfstype=ext4 rootwait quiet\n',
  'config.txt': '[all]\nkernel=kernel8.img\n',
  'kernel8.img': 'no kernel\n'.repeat(1000),
};

const ROOT_FILES: Readonly<Record<string, string>> = {
  'usr/lib/os-release': 'ID=debian\nVERSION_CODENAME=bookworm\n',
  'etc/hostname': 'base\n',
  'etc/fstab': 'PARTUUID=deadbeef-15 /boot/efi vfat defaults 0 0\n',
  'etc/systemd/system/multi-user.target.wants/.keep': '',
  'boot/extlinux/extlinux.conf': 'label default\n  linux /vmlinuz\n  append root=/dev/mmcblk0p1 quiet\n',
};

/** Raspberry Pi OS's layout: MBR, a FAT, an ext4. */
export const PI_IMAGE: ImageSpec = {
  table: 'dos',
  sizeMib: 96,
  partitions: [
    {
      number: 1,
      startMib: 4,
      sizeMib: 56,
      type: 'c',
      fileSystem: 'fat',
      label: 'bootfs',
      files: BOOT_FILES,
    },
    {
      number: 2,
      startMib: 60,
      sizeMib: 36,
      type: '83',
      fileSystem: 'ext4',
      label: 'rootfs',
      files: ROOT_FILES,
    },
  ],
};

/** An image that the profile fits: its partitions have the numbers that the profile names. */
export function imageFor({ spec }: FirmwareProfile): ImageSpec {
  if (spec.boot.dialect === 'raspberry-pi') return PI_IMAGE;
  const { bootPartition, rootPartition = 1 } = spec.boot;
  const root: PartitionSpec = {
    number: rootPartition,
    startMib: bootPartition === undefined ? 1 : 40,
    sizeMib: 48,
    type: 'L',
    fileSystem: 'ext4',
    label: 'rootfs',
    files: ROOT_FILES,
  };
  const boot: PartitionSpec[] =
    bootPartition === undefined
      ? []
      : [{ number: bootPartition, startMib: 1, sizeMib: 39, type: 'U', fileSystem: 'fat', label: 'UEFI' }];
  return { table: 'gpt', sizeMib: 96, partitions: [root, ...boot] };
}

/** Path of the image. */
export function syntheticImage(spec: ImageSpec): string {
  const key = createHash('sha256')
    .update(JSON.stringify([GENERATION, spec]))
    .digest('hex')
    .slice(0, 16);
  const kept = join(tmpdir(), `covey-synthetic-${key}`);
  const path = join(kept, 'disk.img');
  if (existsSync(path)) return path;
  const work = mkdtempSync(`${kept}-`);
  makeImage(spec, work);
  try {
    renameSync(work, kept);
  } catch (error) {
    // Another test was faster.
    if (!existsSync(path)) throw error;
    rmSync(work, { recursive: true });
  }
  return path;
}

function makeImage({ table, sizeMib, partitions }: ImageSpec, work: string): void {
  const disk = join(work, 'disk.img');
  writeFileSync(disk, '');
  // A GPT keeps its backup behind the last partition.
  truncateSync(disk, (sizeMib + (table === 'gpt' ? 1 : 0)) * MIB);
  const lines = partitions.map(
    ({ number, startMib, sizeMib: size, type }) =>
      `${number} : start=${startMib * 2048}, size=${size * 2048}, type=${type}`,
  );
  run('sfdisk', ['-q', disk], `label: ${table}\n${lines.join('\n')}\n`);
  for (const partition of partitions) {
    const file = join(work, `part-${partition.number}`);
    const folder = join(work, `files-${partition.number}`);
    mkdirSync(folder);
    for (const [path, text] of Object.entries(partition.files ?? {})) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    writeFileSync(file, '');
    truncateSync(file, partition.sizeMib * MIB);
    if (partition.fileSystem === 'fat') {
      run('mkfs.vfat', ['-n', partition.label ?? 'BOOT', file]);
      for (const path of Object.keys(partition.files ?? {}))
        run('mcopy', ['-i', file, join(folder, path), `::/${path}`]);
    } else if (partition.fileSystem === 'ext4') {
      run('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', partition.label ?? 'root', '-d', folder, file]);
    } else {
      // Something that is there to be kept.
      writeFileSync(file, Buffer.alloc(partition.sizeMib * MIB, `partition ${partition.number} `));
    }
    run('dd', [
      `if=${file}`,
      `of=${disk}`,
      'bs=1M',
      `seek=${partition.startMib}`,
      'conv=notrunc,sparse',
      'status=none',
    ]);
    rmSync(file);
    rmSync(folder, { recursive: true });
  }
}

function run(program: string, args: readonly string[], input = ''): void {
  execFileSync(program, args, {
    input,
    env: programEnvironment({ MTOOLS_SKIP_CHECK: '1' }),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
}

/** Why such images cannot be made or read here; undefined when they can. */
export function whyNoImages(): string | undefined {
  const tools = ['sfdisk', 'mkfs.vfat', 'mke2fs', 'debugfs', 'mcopy', 'e2fsck', 'fsck.fat', 'xz', 'zstd'];
  const missing = tools.filter((tool) => {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { env: programEnvironment(), stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}
