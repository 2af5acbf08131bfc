/**
 * The mount table of this mount namespace, and the few mount operations that the device needs. Unmounting
 * what is not mounted succeeds; mount points may be stacked and are then all taken away.
 */
import { readFile, statfs } from 'node:fs/promises';
import { runCommand } from './command.js';
import { hasErrno } from './errno.js';

export const TMPFS_MAGIC = 0x01021994;
export const CGROUP2_MAGIC = 0x63677270;
export const NSFS_MAGIC = 0x6e736673;

/** Mount points, in mount order; a path mounted twice appears twice. */
export async function listMounts(below?: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return parseMountPoints(table).filter(
    (path) => below === undefined || path === below || path.startsWith(`${below}/`),
  );
}

/** Mount points of a mountinfo table, with its octal escapes resolved. */
export function parseMountPoints(table: string): readonly string[] {
  return table
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((path) => path !== undefined)
    .map((path) =>
      path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
    );
}

export async function isMountPoint(path: string): Promise<boolean> {
  return (await listMounts(path)).includes(path);
}

/** Type number of the file system that holds `path`; undefined when the path does not exist. */
export async function fileSystemType(path: string): Promise<number | undefined> {
  try {
    return (await statfs(path)).type;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Unmounts everything at and below `path`, innermost first; busy mounts are detached lazily. */
export async function unmountAll(path: string): Promise<void> {
  for (const point of [...(await listMounts(path))].reverse()) {
    try {
      await runCommand('umount', ['--no-canonicalize', point]);
    } catch {
      // Busy: something still holds a file open there. Detached, it vanishes with its last user.
      await runCommand('umount', ['--no-canonicalize', '--lazy', point]);
    }
  }
}

/** Mounts a tmpfs on an existing directory. */
export async function mountTmpfs(path: string, options: { sizeBytes?: number; mode: string }): Promise<void> {
  const size = options.sizeBytes === undefined ? '' : `,size=${Math.max(4096, Math.ceil(options.sizeBytes))}`;
  await runCommand('mount', [
    '-t',
    'tmpfs',
    '-o',
    `nosuid,nodev,mode=${options.mode}${size}`,
    'covey-tmpfs',
    path,
  ]);
}
