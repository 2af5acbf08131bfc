/**
 * Puts the image together in one sparse file, without mounts or loop devices: partition table, FAT and ext4 are
 * written to their places by their own tools. Every identifier is derived from one seed, so the same content gets the same ones.
 */
import { createHash } from 'node:crypto';
import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SECTOR_BYTES } from '../image/partition.js';
import { runMtools } from '../lib/mtools.js';
import { type ProgramOptions, runProgram } from '../lib/program.js';
import { type Extent, type Layout, partitionScript } from './layout.js';
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
  const { diskId } = layout;
  await writeFile(file, '');
  await truncate(file, layout.sizeBytes);
  const fat = { file, extent: layout.boot, directory: boot, time, command };
  await writeFat(fat, ['-F', '32', '-n', 'bootfs', '-i', diskId]);
  const ext4 = { file, extent: layout.root, directory: root, time, command };
  await writeExt4(ext4, { label: 'rootfs', uuid: uuidOf(diskId) });
  await runProgram('sfdisk', ['-q', '--no-reread', '--no-tell-kernel', file], {
    ...command,
    input: partitionScript(layout),
  });
}

export interface FileSystemInput {
  /** Long enough already. */
  readonly file: string;
  readonly extent: Extent;
  /** Holds what is to be on it. */
  readonly directory: string;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly command: ProgramOptions;
}

/** A FAT with the directory's content; `options` are mkfs.vfat's. */
export async function writeFat(input: FileSystemInput, options: readonly string[]): Promise<void> {
  const { file, extent, directory } = input;
  const command = reproducible(input);
  const sector = String(extent.startBytes / SECTOR_BYTES);
  await runProgram(
    'mkfs.vfat',
    [...options, '--invariant', '--offset', sector, '-h', sector, file, kib(extent)],
    command,
  );
  const entries = (await readdir(directory)).sort().map((name) => join(directory, name));
  await runMtools(
    'mcopy',
    ['-i', `${file}@@${extent.startBytes}`, '-s', '-m', '-Q', ...entries, '::'],
    command,
  );
}

/** An ext4 with the directory's content, owners included. */
export async function writeExt4(
  input: FileSystemInput,
  { label, uuid }: { readonly label: string; readonly uuid: string },
): Promise<void> {
  const { file, extent, directory } = input;
  const extended = `offset=${extent.startBytes},hash_seed=${uuid},lazy_itable_init=0,lazy_journal_init=0`;
  await runInSandbox(
    'mke2fs',
    [
      ...['-q', '-F', '-t', 'ext4', '-L', label, '-U', uuid, '-m', '1', '-J', 'size=16'],
      ...['-E', extended, '-d', directory, file, `${kib(extent)}k`],
    ],
    reproducible(input),
  );
}

function reproducible({ time, command }: FileSystemInput): ProgramOptions {
  return { ...command, env: { SOURCE_DATE_EPOCH: String(time), E2FSPROGS_FAKE_TIME: String(time) } };
}

function kib({ sizeBytes }: Extent): string {
  return String(sizeBytes / 1024);
}

/** A version 8 UUID: its content is the maker's. */
export function uuidOf(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
