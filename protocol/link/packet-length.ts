/**
 * The lengths of MQTT packets as bytes, for the packet writer of both sides. The writer keeps each length that it
 * has written as a buffer of one or two bytes; Node cuts small buffers out of slabs of 8 KiB, which then are kept
 * too, and messages have ever new lengths: 128 MiB for all that it keeps. Here they come from one table of 32 KiB.
 */

/** Lengths that the writer keeps. They have at most two bytes. */
const KEPT = 16_384;

const table = new Uint8Array(KEPT * 2);

/** MQTT 3.1.1, 2.2.3: seven bits in each byte, the lowest first; the eighth says that more follow. */
export function packetLengthBytes(length: number): Uint8Array {
  if (length >= KEPT) return encode(length);
  const bytes = encode(length);
  const at = length * 2;
  table.set(bytes, at);
  return table.subarray(at, at + bytes.length);
}

function encode(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  do {
    const more = rest >= 128;
    bytes.push((rest % 128) + (more ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(bytes);
}
