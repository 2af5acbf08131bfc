/**
 * subPath mounts that a container cannot trick with links: the path is walked one directory at a time by open
 * handles, what was reached is pinned by a bind mount of that very handle, and a link is followed only inside
 * the volume (the files of a configMap are links), by walking its target in the same way.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink } from 'node:fs/promises';
import { runCommand } from '../lib/command.js';
import { hasErrno } from '../lib/errno.js';
import { isMountPoint } from '../lib/mounts.js';
import { VolumeError } from './volumes.js';

/** Linux's O_PATH, which Node does not name: a handle that only stands for a place. */
const O_PATH = 0o10000000;
const MAX_LINKS = 40;

/** Mounts `subPath` of `volume` on `target`; missing directories are made. Rejects with VolumeError. */
export async function mountSubPath(volume: string, subPath: string, target: string): Promise<void> {
  const parts = subPath.split('/').filter(isStep);
  if (subPath.startsWith('/') || parts.includes('..') || subPath.includes('\0'))
    throw new VolumeError(`subPath "${subPath}" must be relative and without ".."`);
  if (await isMountPoint(target)) return;
  // From the volume's root down to the place reached.
  const places = [await open(volume, O_PATH | constants.O_DIRECTORY)];
  try {
    await walk(places, parts, subPath);
    const place = last(places);
    const isDirectory = (await place.stat()).isDirectory();
    if (isDirectory) await mkdir(target, { recursive: true });
    else await (await open(target, 'a')).close();
    await runCommand('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${place.fd}`, target]);
  } finally {
    for (const place of places) await place.close();
  }
}

async function walk(places: FileHandle[], parts: readonly string[], subPath: string): Promise<void> {
  const pending = [...parts];
  const refuse = (part: string, why: string) => new VolumeError(`subPath "${subPath}": "${part}" is ${why}`);
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift() as string;
    if (part === '..') {
      await places.pop()?.close();
      continue;
    }
    const place = last(places);
    const next = await enter(place, part);
    const info = await next.stat();
    if (info.isSymbolicLink()) {
      await next.close();
      links += 1;
      const steps = (await readlink(pathBelow(place, part))).split('/');
      // Absolute links mean the container's root, which is not the volume's.
      if (steps[0] === '' || leaves(steps.filter(isStep), places.length - 1))
        throw refuse(part, 'a link out of the volume');
      if (links > MAX_LINKS) throw refuse(part, 'a link in a circle');
      pending.unshift(...steps.filter(isStep));
      continue;
    }
    places.push(next);
    if (pending.length > 0 && !info.isDirectory()) throw refuse(part, 'no directory');
  }
}

/** Opens `part` below `place`, makes a directory when it is not there; a link opens as the link itself. */
async function enter(place: FileHandle, part: string): Promise<FileHandle> {
  const path = pathBelow(place, part);
  const flags = O_PATH | constants.O_NOFOLLOW;
  try {
    return await open(path, flags);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
  await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error;
  });
  return open(path, flags);
}

/** Whether these steps, begun `depth` directories below the root, go above the root. */
function leaves(steps: readonly string[], depth: number): boolean {
  let now = depth;
  for (const step of steps) {
    now += step === '..' ? -1 : 1;
    if (now < 0) return true;
  }
  return false;
}

const isStep = (part: string): boolean => part !== '' && part !== '.';
const pathBelow = (place: FileHandle, part: string): string => `/proc/self/fd/${place.fd}/${part}`;

function last(places: readonly FileHandle[]): FileHandle {
  const place = places.at(-1);
  if (place === undefined) throw new TypeError('a walk has left its root');
  return place;
}
