/**
 * Files that survive a power cut: written beside their place, synced, renamed, and the directory synced.
 * A reader sees the old content or the new, never a part. What a crash leaves behind ends in `.tmp` and is
 * nobody's file.
 */
import { randomUUID } from 'node:crypto';
import { access, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Whether an error says that a file or directory does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Awaits `promise`; a file or directory that does not exist gives undefined. */
export async function orMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The text of a file, or undefined when there is none. */
export function readFileIfPresent(path: string): Promise<string | undefined> {
  return orMissing(readFile(path, 'utf8'));
}

/** Whether there is anything at the path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Syncs a directory, so that names created or removed in it are durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file's content; resolves once it is on disk. `mode` is that of the new file from its creation
 * (0600 unless given). Of writers at the same time one wins whole. Errors are those of node:fs; the old
 * content stays then.
 */
export async function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes a tree of directories as far as they are empty; files, and mounts with something in them, stay. */
export async function removeEmptyDirectories(path: string): Promise<void> {
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeEmptyDirectories(join(path, entry.name));
    }
    await rmdir(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
