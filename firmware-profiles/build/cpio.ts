/** An archive in cpio's "newc" format, which the kernel unpacks into its first file system. Reproducible. */

export interface CpioEntry {
  /** Without a leading '/'; parents come before what is in them. */
  readonly path: string;
  /** Type and permissions, as in stat: 0o100755. */
  readonly mode: number;
  readonly data?: Uint8Array | undefined;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

const TRAILER = 'TRAILER!!!';

/** `mtime` in seconds for every entry; owner is root. */
export function cpio(entries: readonly CpioEntry[], mtime: number): Buffer {
  const parts: Buffer[] = [];
  for (const [index, entry] of [...entries, { path: TRAILER, mode: 0 }].entries()) {
    const { path, mode, data = new Uint8Array(), device = [0, 0] } = entry as CpioEntry;
    const name = Buffer.from(`${path}\0`);
    const time = path === TRAILER ? 0 : mtime;
    const fields = [index + 1, mode, 0, 0, 1, time, data.length, 0, 0, ...device, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(padded(Buffer.concat([Buffer.from(header), name])), padded(Buffer.from(data)));
  }
  return Buffer.concat(parts);
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}
