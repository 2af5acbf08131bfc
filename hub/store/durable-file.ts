/**
 * Small files that survive a power cut: written beside the target, synced, renamed over it, and the directory
 * synced. A reader finds the old content or the new, never a part.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the content of `file`, mode 0600. Errors are those of node:fs. */
export async function writeFileDurably(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(file));
}

/** Makes renames, creations and removals in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
