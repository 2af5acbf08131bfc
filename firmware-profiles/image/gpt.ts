/** Partition entries of a GUID partition table, with both checksums verified and the places of entries and backup inside the image. */
import { crc32 } from 'node:zlib';
import { CardError } from '../card-error.js';
import { type Partition, type ReadAt, SECTOR_BYTES } from './partition.js';

const SIGNATURE = 'EFI PART';
/** Of some flash built into boards (UFS), for which there are images of their own. */
const LARGE_SECTOR_BYTES = 4096;
const MIN_HEADER_BYTES = 92;
const MIN_ENTRY_BYTES = 128;
const MAX_ENTRIES_BYTES = 2 ** 20;
const UNUSED = '00000000-0000-0000-0000-000000000000';

export async function readGpt(read: ReadAt, imageBytes: number, name: string): Promise<Partition[]> {
  const header = await read(SECTOR_BYTES, SECTOR_BYTES);
  const damaged = (what: string) =>
    new CardError(`${name}: ${what}: the image is damaged; download it again`);
  if (header.length < SECTOR_BYTES || header.toString('latin1', 0, 8) !== SIGNATURE) {
    if ((await read(LARGE_SECTOR_BYTES, 8)).toString('latin1') === SIGNATURE) {
      throw new CardError(
        `${name} is made for disks with sectors of ${LARGE_SECTOR_BYTES} bytes, cards have ${SECTOR_BYTES}: take the image for SD cards or USB`,
      );
    }
    throw damaged('its MBR promises a GPT, but there is none');
  }
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < MIN_HEADER_BYTES || headerBytes > SECTOR_BYTES) {
    throw damaged(`the GPT header says that it is ${headerBytes} bytes long`);
  }
  const summed = Buffer.from(header.subarray(0, headerBytes));
  summed.writeUInt32LE(0, 16);
  if (crc32(summed) !== header.readUInt32LE(16)) throw damaged('the checksum of the GPT header is wrong');

  const backup = Number(header.readBigUInt64LE(32)) * SECTOR_BYTES;
  if (backup + SECTOR_BYTES > imageBytes) {
    throw new CardError(
      `${name} is truncated: its backup partition table is at byte ${backup}, the image ends at ${imageBytes}; download it again`,
    );
  }
  const count = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  if (entryBytes < MIN_ENTRY_BYTES || count * entryBytes > MAX_ENTRIES_BYTES) {
    throw damaged(`the GPT has ${count} entries of ${entryBytes} bytes`);
  }
  const entriesAt = Number(header.readBigUInt64LE(72)) * SECTOR_BYTES;
  const entriesEnd = entriesAt + count * entryBytes;
  if (entriesEnd > imageBytes) throw damaged(`the GPT says that its entries end at byte ${entriesEnd}`);
  const entries = await read(entriesAt, count * entryBytes);
  if (entries.length < count * entryBytes || crc32(entries) !== header.readUInt32LE(88)) {
    throw damaged('the checksum of the GPT entries is wrong');
  }
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const entry = entries.subarray(index * entryBytes, (index + 1) * entryBytes);
    const type = guid(entry.subarray(0, 16));
    if (type === UNUSED) return [];
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    if (last < first) throw damaged(`GPT partition ${index + 1} ends before it begins`);
    const start = first * SECTOR_BYTES;
    const end = (last + 1) * SECTOR_BYTES;
    if (start < 2 * SECTOR_BYTES || (start < entriesEnd && end > entriesAt))
      throw damaged(`GPT partition ${index + 1} overlaps the partition table`);
    return [{ number: index + 1, start, bytes: end - start, type }];
  });
}

/** The first three groups are little-endian. */
function guid(bytes: Buffer): string {
  const hex = (part: Buffer) => part.toString('hex').toUpperCase();
  const swapped = (from: number, to: number) => hex(Buffer.from(bytes.subarray(from, to)).reverse());
  return [
    swapped(0, 4),
    swapped(4, 6),
    swapped(6, 8),
    hex(bytes.subarray(8, 10)),
    hex(bytes.subarray(10, 16)),
  ].join('-');
}
