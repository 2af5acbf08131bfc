/** Partition entries of a master boot record, the chain of an extended partition included. */
import { CardError } from '../card-error.js';
import { type Partition, type ReadAt, SECTOR_BYTES } from './partition.js';

/** Stands in the MBR of a disk with a GPT. */
export const PROTECTIVE_TYPE = 'ee';

const EXTENDED_TYPES = new Set(['5', 'f', '85']);
const FIRST_LOGICAL = 5;
const MAX_LOGICAL = 60;

export async function readMbr(read: ReadAt, sector: Buffer, name: string): Promise<Partition[]> {
  const partitions: Partition[] = [];
  for (const entry of entriesOf(sector, 0)) {
    if (EXTENDED_TYPES.has(entry.type)) partitions.push(...(await readLogical(read, entry.start, name)));
    else partitions.push(entry);
  }
  return partitions;
}

/** Each record of the chain holds one logical partition, and where the next record is. */
async function readLogical(read: ReadAt, base: number, name: string): Promise<Partition[]> {
  const partitions: Partition[] = [];
  let position: number | undefined = base;
  while (position !== undefined) {
    const sector = await read(position, SECTOR_BYTES);
    if (sector.length < SECTOR_BYTES || sector.readUInt16LE(510) !== 0xaa55) {
      throw new CardError(
        `${name}: the extended partition's table at byte ${position} is damaged or cut off`,
      );
    }
    const next: Partition | undefined = entriesOf(sector, base).find(({ type }) => EXTENDED_TYPES.has(type));
    const own = entriesOf(sector, position).find(({ type }) => !EXTENDED_TYPES.has(type));
    if (own !== undefined) partitions.push({ ...own, number: FIRST_LOGICAL + partitions.length });
    if (partitions.length > MAX_LOGICAL || (next !== undefined && next.start <= position)) {
      throw new CardError(`${name}: the extended partition's tables form no chain: the image is damaged`);
    }
    position = next?.start;
  }
  return partitions;
}

/** The entries in use; starts are counted from `base`. */
function entriesOf(sector: Buffer, base: number): Partition[] {
  return [0, 1, 2, 3].flatMap((index) => {
    const at = 446 + 16 * index;
    const type = sector.readUInt8(at + 4);
    const sectors = sector.readUInt32LE(at + 12);
    if (type === 0 || sectors === 0) return [];
    const start = base + sector.readUInt32LE(at + 8) * SECTOR_BYTES;
    return [{ number: index + 1, start, bytes: sectors * SECTOR_BYTES, type: type.toString(16) }];
  });
}
