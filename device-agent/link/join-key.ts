/**
 * The key that a device joins with, on disk before it is shown to anybody: a device that was cut off while it
 * joined asks again with the same key, by which the hub knows it. Kept for one board only, because a card that
 * was copied before it joined must not make two boards look like one. Removed once the identity is saved.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';
import { type KeyRequest, makeKeyRequest } from './key-request.js';

const FILE = 'join-key.json';
const savedSchema = z.object({
  key: z.string().min(1),
  csr: z.string().min(1),
  /** Canonical serial number of the board that made it; '' where it has none. */
  board: z.string(),
});

/** The key of an earlier attempt on this board, or a new one that is on disk. */
export async function keyToJoinWith(
  dataDir: string,
  device: string,
  board: string | undefined,
): Promise<KeyRequest> {
  const path = join(dataDir, FILE);
  const saved = savedSchema.safeParse(tryJson(await orMissing(readFile(path, 'utf8'))));
  if (saved.success && saved.data.board === (board ?? '')) return saved.data;
  const made = await makeKeyRequest(device);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, `${JSON.stringify({ ...made, board: board ?? '' })}\n`);
  return made;
}

export async function forgetJoinKey(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE), { force: true });
}

function tryJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch (error) {
    // A damaged key was never shown to anybody that answered: a new one serves as well.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
