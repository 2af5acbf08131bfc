/**
 * How a base image is packed, by its first bytes and never by its name. What is recognised but not supported is a
 * CardError that says how to unpack it.
 */
import { CardError } from '../card-error.js';

export type Compression = 'xz' | 'gz' | 'zst' | 'raw';

/** Bytes that `detectCompression` wants to see; fewer when the file is shorter. */
export const SIGNATURE_BYTES = 512;

const SIGNATURES: readonly (readonly [hex: string, Compression])[] = [
  ['fd377a585a00', 'xz'],
  ['1f8b', 'gz'],
  ['28b52ffd', 'zst'],
];

const UNSUPPORTED: readonly (readonly [hex: string, name: string, remedy: string])[] = [
  ['504b0304', 'zip archive', 'unzip it first'],
  ['425a68', 'bzip2 file', 'unpack it with bunzip2 first'],
  ['377abcaf271c', '7z archive', 'unpack it first'],
  ['514649fb', 'QCOW2 disk', 'convert it with "qemu-img convert -O raw" first'],
];

/** `name` is for the message. */
export function detectCompression(head: Uint8Array, name: string): Compression {
  const hex = Buffer.from(head).toString('hex');
  const packed = SIGNATURES.find(([signature]) => hex.startsWith(signature));
  if (packed !== undefined) return packed[1];
  // A zstd file may begin with a skippable frame: 184D2A5x, little-endian.
  if (/^5.2a4d18/.test(hex)) return 'zst';
  const foreign = UNSUPPORTED.find(([signature]) => hex.startsWith(signature));
  if (foreign !== undefined)
    throw new CardError(`${name} is a ${foreign[1]}, not a disk image: ${foreign[2]}`);
  if (head[510] === 0x55 && head[511] === 0xaa) return 'raw';
  throw new CardError(
    `${name} is not a disk image: it has no partition table, and is not packed with xz, gz or zstd`,
  );
}
