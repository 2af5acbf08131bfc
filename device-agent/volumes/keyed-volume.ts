/**
 * A directory of small files that changes as a whole: the files live in a directory of their own that the
 * link `..data` names, and each visible name is a link through it. Renaming a new `..data` over the old one
 * switches all files at one instant; a reader sees one version or the other.
 */
import { chmod, chown, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { orMissing } from '../lib/errno.js';
import { makeOpenDirectory } from '../lib/open-directory.js';
import { VolumeError } from './volumes.js';

export interface VolumeFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

const DATA = '..data';
const VERSION = /^\.\.v\d+$/;

/** Makes `directory` show exactly `files` (relative path → content). Writes nothing when it does already. */
export async function writeKeyedVolume(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  group: number | undefined,
): Promise<void> {
  for (const path of files.keys()) requirePlainPath(path);
  await makeOpenDirectory(directory);
  const current = await orMissing(readlink(join(directory, DATA)));
  if (current !== undefined && (await sameContent(join(directory, current), files))) return;
  const version = `..v${Number(/\d+$/.exec(current ?? '')?.[0] ?? 0) + 1}`;
  const next = join(directory, version);
  await rm(next, { recursive: true, force: true });
  await makeOpenDirectory(next);
  for (const [path, file] of files) await writeOne(join(next, path), file, group);
  await rm(join(directory, `${DATA}_tmp`), { force: true });
  await symlink(version, join(directory, `${DATA}_tmp`));
  await rename(join(directory, `${DATA}_tmp`), join(directory, DATA));
  await showLinks(directory, new Set([...files.keys()].map(topName)));
  for (const name of await readdir(directory)) {
    if (VERSION.test(name) && name !== version)
      await rm(join(directory, name), { recursive: true, force: true });
  }
}

async function writeOne(path: string, file: VolumeFile, group: number | undefined): Promise<void> {
  await makeOpenDirectory(dirname(path));
  await writeFile(path, file.data, { mode: 0o600 });
  if (group !== undefined) await chown(path, 0, group);
  // Members of the pod's group can read whatever its owner can.
  await chmod(path, group === undefined ? file.mode : file.mode | ((file.mode & 0o400) >> 3));
}

async function showLinks(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) {
    const path = join(directory, name);
    if ((await orMissing(readlink(path))) === undefined) await symlink(`${DATA}/${name}`, path);
  }
  for (const name of await readdir(directory)) {
    if (!name.startsWith('..') && !names.has(name)) await rm(join(directory, name), { force: true });
  }
}

async function sameContent(directory: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  const entries = (await orMissing(readdir(directory, { recursive: true, withFileTypes: true }))) ?? [];
  if (entries.filter((entry) => !entry.isDirectory()).length !== files.size) return false;
  for (const [path, file] of files) {
    const data = await orMissing(readFile(join(directory, path)));
    if (data === undefined || Buffer.compare(data, file.data) !== 0) return false;
  }
  return true;
}

const topName = (path: string): string => path.split('/')[0] ?? path;

/** Throws VolumeError for paths that would leave the volume or clash with its own names. */
function requirePlainPath(path: string): void {
  const parts = path.split('/');
  const bad = parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0');
  if (bad || path.startsWith('..') || path.length > 1024)
    throw new VolumeError(`"${path}" is not a path inside a volume`);
}
