/**
 * Reads the partition table of an image: MBR with logical partitions, or GPT with its checksums. Every partition
 * lies inside the image, none begins in the table; an image that is too short for its table is told apart from one
 * that has none.
 */
import { CardError } from '../card-error.js';
import { readGpt } from './gpt.js';
import { PROTECTIVE_TYPE, readMbr } from './mbr.js';
import { type Partition, type PartitionTable, type ReadAt, SECTOR_BYTES } from './partition.js';

/** `name` is for messages. */
export async function readPartitionTable(
  read: ReadAt,
  imageBytes: number,
  name: string,
): Promise<PartitionTable> {
  const sector = await read(0, SECTOR_BYTES);
  if (sector.length < SECTOR_BYTES || sector.readUInt16LE(510) !== 0xaa55) {
    throw new CardError(`${name} is not a disk image: its first sector is no partition table`);
  }
  const entries = await readMbr(read, sector, name);
  const isGpt = entries.some(({ type }) => type === PROTECTIVE_TYPE);
  const partitions = isGpt ? await readGpt(read, imageBytes, name) : entries;
  if (partitions.length === 0) throw new CardError(`${name} has a partition table without partitions`);
  for (const { number, start, bytes } of partitions) {
    if (start + bytes > imageBytes) {
      throw new CardError(
        `${name} is truncated: partition ${number} ends at byte ${start + bytes}, the image at ${imageBytes}; download it again`,
      );
    }
  }
  checkOverlap(partitions, name);
  return { label: isGpt ? 'gpt' : 'dos', partitions };
}

function checkOverlap(partitions: readonly Partition[], name: string): void {
  const sorted = [...partitions].sort((a, b) => a.start - b.start);
  for (const [index, partition] of sorted.entries()) {
    const previous = sorted[index - 1];
    const end = previous === undefined ? SECTOR_BYTES : previous.start + previous.bytes;
    if (partition.start >= end) continue;
    const other = previous === undefined ? 'the partition table' : `partition ${previous.number}`;
    throw new CardError(`${name}: partition ${partition.number} overlaps ${other}: the image is damaged`);
  }
}
