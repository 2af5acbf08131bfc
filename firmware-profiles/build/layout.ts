/**
 * Where the partitions of an image lie: an MBR with the firmware's FAT32 and an ext4 root, both on boundaries of
 * 4 MiB, which is a multiple of every card's erase block. Pure.
 */
import { SECTOR_BYTES } from '../image/partition.js';
import { MEBIBYTE, mebibytesNeeded, mebibytesThere } from '../lib/mebibytes.js';
import { BuildError } from './build-error.js';

const ALIGNMENT_BYTES = 4 * MEBIBYTE;
/** As on Raspberry Pi OS: kernel and firmware are a tenth of it, the rest is for what flashing brings. */
export const BOOT_BYTES = 512 * MEBIBYTE;
/** Free on the root file system at least: for the agent and some images, where there is no larger card to grow to. */
const ROOT_FREE_BYTES = 512 * MEBIBYTE;
/** Of an MBR's 32-bit sector numbers. */
const MAX_BYTES = 2 ** 32 * SECTOR_BYTES;

export interface Extent {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

export interface Layout {
  readonly sizeBytes: number;
  readonly boot: Extent;
  readonly root: Extent;
  /** Disk signature, by which partitions are found: `<id>-01`, `<id>-02`. */
  readonly diskId: string;
}

export interface LayoutInput {
  /** What the files of the root file system take. */
  readonly rootContentBytes: number;
  /** Of the whole image; as small as can be when absent. */
  readonly sizeBytes?: number | undefined;
  /** Eight hexadecimal digits. */
  readonly diskId: string;
}

/** Throws BuildError when the wanted size is too small or too large. */
export function planLayout({ rootContentBytes, sizeBytes, diskId }: LayoutInput): Layout {
  const boot = { startBytes: ALIGNMENT_BYTES, sizeBytes: BOOT_BYTES };
  const rootStart = boot.startBytes + boot.sizeBytes;
  // A seventh for the file system's own tables, its journal and the rest of each file's last block.
  const smallest = rootStart + alignUp(Math.ceil((rootContentBytes * 8) / 7) + ROOT_FREE_BYTES);
  const total = Math.floor((sizeBytes ?? smallest) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  if (total < smallest)
    throw new BuildError(
      `the image needs ${mebibytesNeeded(smallest)}, ${mebibytesThere(sizeBytes ?? 0)} is too small`,
    );
  if (total > MAX_BYTES) throw new BuildError(`an image has at most ${mebibytesThere(MAX_BYTES)}`);
  return { sizeBytes: total, boot, root: { startBytes: rootStart, sizeBytes: total - rootStart }, diskId };
}

/** Input of sfdisk. */
export function partitionScript({ boot, root, diskId }: Layout): string {
  const line = ({ startBytes, sizeBytes }: Extent, type: string) =>
    `start=${startBytes / SECTOR_BYTES}, size=${sizeBytes / SECTOR_BYTES}, type=${type}`;
  return [
    'label: dos',
    `label-id: 0x${diskId}`,
    'unit: sectors',
    '',
    `${line(boot, 'c')}, bootable`,
    line(root, '83'),
    '',
  ].join('\n');
}

export function partitionUuid({ diskId }: Pick<Layout, 'diskId'>, partition: 1 | 2): string {
  return `${diskId}-0${partition}`;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
