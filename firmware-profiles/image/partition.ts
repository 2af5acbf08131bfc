/** What the readers of partition tables share: a partition, and reading an image anywhere. */

export const SECTOR_BYTES = 512;

export interface Partition {
  /** 1-based, as in /dev/sda1. */
  readonly number: number;
  readonly start: number;
  readonly bytes: number;
  /** Hexadecimal digits (MBR) or an upper-case GUID (GPT), as sfdisk writes them. */
  readonly type: string;
}

export interface PartitionTable {
  readonly label: 'dos' | 'gpt';
  readonly partitions: readonly Partition[];
}

/** Reads `length` bytes at `position`; shorter at the end of the image. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;
