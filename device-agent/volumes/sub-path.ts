/**
 * subPath mounts that a container cannot trick with links: the path is walked one directory at a time by open
 * handles that refuse links, and what was reached is pinned by a bind mount of that very handle.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { runCommand } from '../lib/command.js';
import { hasErrno } from '../lib/errno.js';
import { isMountPoint } from '../lib/mounts.js';
import { VolumeError } from './volumes.js';

/** Linux's O_PATH, which Node does not name: a handle that only stands for a place. */
const O_PATH = 0o10000000;

/** Mounts `subPath` of `volume` on `target`; missing directories are made. Rejects with VolumeError. */
export async function mountSubPath(volume: string, subPath: string, target: string): Promise<void> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..') || subPath.includes('\0'))
    throw new VolumeError(`subPath "${subPath}" must be relative and without ".."`);
  if (await isMountPoint(target)) return;
  let place = await open(volume, O_PATH | constants.O_DIRECTORY);
  try {
    for (const [index, part] of parts.entries()) {
      const next = await step(place, part, index === parts.length - 1, subPath);
      await place.close();
      place = next;
    }
    const isDirectory = (await place.stat()).isDirectory();
    if (isDirectory) await mkdir(target, { recursive: true });
    else await (await open(target, 'a')).close();
    await runCommand('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${place.fd}`, target]);
  } finally {
    await place.close();
  }
}

/** Opens `part` below `place`, makes it when it is not there, refuses links. */
async function step(place: FileHandle, part: string, last: boolean, subPath: string): Promise<FileHandle> {
  const path = `/proc/self/fd/${place.fd}/${part}`;
  const flags = O_PATH | constants.O_NOFOLLOW;
  let next: FileHandle;
  try {
    next = await open(path, flags);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    await mkdir(path, { mode: 0o755 }).catch((second: unknown) => {
      if (!hasErrno(second, 'EEXIST')) throw second;
    });
    next = await open(path, flags);
  }
  const info = await next.stat();
  // With O_PATH and O_NOFOLLOW a link opens as the link itself.
  if (info.isSymbolicLink() || (!last && !info.isDirectory())) {
    await next.close();
    throw new VolumeError(
      `subPath "${subPath}": "${part}" is ${info.isSymbolicLink() ? 'a link' : 'no directory'}`,
    );
  }
  return next;
}
