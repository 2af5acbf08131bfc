/**
 * Puts the image together in one sparse file, without mounts or loop devices: partition table, FAT and ext4 are
 * written to their places by their own tools. Every identifier is derived from one seed, so the same content gets the same ones.
 */
import { createHash } from 'node:crypto';
import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SECTOR_BYTES } from '../image/partition.js';
import { type ProgramOptions, runProgram } from '../lib/program.js';
import { type Layout, partitionScript } from './layout.js';
import { runInSandbox } from './sandbox.js';

export interface AssembleInput {
  readonly layout: Layout;
  /** Holds the files of the boot partition, flat. */
  readonly boot: string;
  readonly root: string;
  readonly file: string;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly command: ProgramOptions;
}

export async function assemble({ layout, boot, root, file, time, command }: AssembleInput): Promise<void> {
  const reproducible = {
    ...command,
    env: { SOURCE_DATE_EPOCH: String(time), E2FSPROGS_FAKE_TIME: String(time) },
  };
  await writeFile(file, '');
  await truncate(file, layout.sizeBytes);
  const kib = (bytes: number) => String(bytes / 1024);
  const sector = String(layout.boot.startBytes / SECTOR_BYTES);
  await runProgram(
    'mkfs.vfat',
    [
      ...['-F', '32', '-n', 'bootfs', '-i', layout.diskId, '--invariant', '--offset', sector, '-h', sector],
      ...[file, kib(layout.boot.sizeBytes)],
    ],
    reproducible,
  );
  const files = (await readdir(boot)).sort().map((name) => join(boot, name));
  await runProgram(
    'mcopy',
    ['-i', `${file}@@${layout.boot.startBytes}`, '-m', '-Q', ...files, '::'],
    reproducible,
  );
  const uuid = uuidOf(layout.diskId);
  const extended = `offset=${layout.root.startBytes},hash_seed=${uuid},lazy_itable_init=0,lazy_journal_init=0`;
  await runInSandbox(
    'mke2fs',
    [
      ...['-q', '-F', '-t', 'ext4', '-L', 'rootfs', '-U', uuid, '-m', '1', '-J', 'size=16'],
      ...['-E', extended, '-d', root, file, `${kib(layout.root.sizeBytes)}k`],
    ],
    reproducible,
  );
  await runProgram('sfdisk', ['-q', '--no-reread', '--no-tell-kernel', file], {
    ...command,
    input: partitionScript(layout),
  });
}

/** A version 8 UUID: its content is the maker's. */
function uuidOf(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
