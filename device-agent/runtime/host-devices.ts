/** Device nodes of the host, for privileged containers; terminals and pseudo terminals stay out. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { majorOf, minorOf } from '../hardware/device-number.js';
import { orMissing } from '../lib/errno.js';
import type { OciEnvironment } from './oci-spec.js';

const SKIPPED = new Set(['pts', 'shm', 'fd', 'mqueue', 'console', 'ptmx', '.udev', '.lxc']);
const MAX_DEVICES = 2000;

/** Nodes below `root` ('/dev'), at most 2000. */
export async function listHostDevices(root: string): Promise<OciEnvironment['hostDevices']> {
  const found: Array<OciEnvironment['hostDevices'][number]> = [];
  const pending = [root];
  for (let directory = pending.shift(); directory !== undefined; directory = pending.shift()) {
    for (const entry of (await orMissing(readdir(directory, { withFileTypes: true }))) ?? []) {
      if (SKIPPED.has(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) pending.push(path);
      if (!entry.isCharacterDevice() && !entry.isBlockDevice()) continue;
      const info = await orMissing(lstat(path));
      if (!info || found.length >= MAX_DEVICES) continue;
      found.push({
        path,
        type: entry.isBlockDevice() ? 'b' : 'c',
        major: majorOf(info.rdev),
        minor: minorOf(info.rdev),
        fileMode: info.mode & 0o777,
        uid: info.uid,
        gid: info.gid,
      });
    }
  }
  return found;
}
