/** Brings what was written to a file to the disk, so that a name given to it afterwards never stands for a part. */
import { open } from 'node:fs/promises';

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
