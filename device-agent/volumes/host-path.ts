/** hostPath volumes: the path must be what the pod says it is, and is made where the type asks for it. */
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { orMissing } from '../lib/errno.js';
import { VolumeError } from './volumes.js';

/** Returns the path itself. Rejects with VolumeError. */
export async function hostPathVolume(path: string, type: string): Promise<string> {
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new VolumeError(`hostPath "${path}" must be absolute and without ".."`);
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate' && (await orMissing(stat(dirname(path))))?.isDirectory())
    await (await open(path, 'a', 0o644)).close();
  const info = await orMissing(stat(path));
  const matches: Readonly<Record<string, boolean | undefined>> = {
    '': true,
    DirectoryOrCreate: info?.isDirectory(),
    Directory: info?.isDirectory(),
    FileOrCreate: info?.isFile(),
    File: info?.isFile(),
    Socket: info?.isSocket(),
    CharDevice: info?.isCharacterDevice(),
    BlockDevice: info?.isBlockDevice(),
  };
  if (!(type in matches)) throw new VolumeError(`hostPath type "${type}" is unknown`);
  if (matches[type]) {
    if (info === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
    return path;
  }
  throw new VolumeError(`hostPath type check failed: ${path} is not a ${type.replace('OrCreate', '')}`);
}
