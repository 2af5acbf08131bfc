/**
 * Files that are whole or absent: written beside, synced, renamed, directory synced. After a power cut a
 * reader sees the old content or the new one, never a part.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the directory's own entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface WriteOptions {
  /** Permission bits, whatever the umask; 0600 unless given. */
  readonly mode?: number;
  /** False for files on tmpfs, where there is nothing to sync; true unless given. */
  readonly durable?: boolean;
}

export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w', options.mode ?? 0o600);
    try {
      await handle.writeFile(data);
      if (options.mode !== undefined) await handle.chmod(options.mode);
      if (options.durable !== false) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    if (options.durable !== false) await syncDirectory(dirname(path));
  } catch (error) {
    // The first error is the one that says something.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
