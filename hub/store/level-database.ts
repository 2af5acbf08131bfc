/**
 * The LevelDB database below the store: opened with one set of options, its failures translated into
 * StoreErrors that name the directory and what to do.
 */
import { dirname } from 'node:path';
import { Level } from 'level';
import { damaged } from './errors.js';
import { StoreError } from './store.js';

export type Database = Level<string, Buffer>;

/** Bytes that LevelDB gathers in memory before it writes a table; also the most that opening replays. */
export const WRITE_BUFFER_BYTES = 4 * 1024 * 1024;

/** How much an iterator fetches from the other thread at once. */
export const ITERATOR_BYTES = 1024 * 1024;

/** Opens the database in `location`. StoreError LOCKED, DAMAGED, DISK_FULL or IO. */
export async function openDatabase(location: string, createIfMissing: boolean): Promise<Database> {
  const database: Database = new Level(location, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    createIfMissing,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await database.open();
    return database;
  } catch (error) {
    const cause = rootCause(error);
    if (codeOf(cause) === 'LEVEL_LOCKED') {
      throw new StoreError(
        'LOCKED',
        `the store in ${dirname(location)} is in use by another process; stop that hub, or use another data directory`,
        { cause },
      );
    }
    const translated = diskError(dirname(location), cause);
    // LevelDB reports missing and unreadable tables in several ways; what is not the disk's is damage.
    if (translated.code !== 'IO' || /Input\/output error|Permission denied/.test(messageOf(cause)))
      throw translated;
    throw damaged(dirname(location), messageOf(cause), cause);
  }
}

/** A failure of LevelDB or of the file system as a StoreError: DISK_FULL, DAMAGED, CLOSED or IO. */
export function diskError(location: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const cause = rootCause(error);
  const message = messageOf(cause);
  if (/No space left on device|Disk quota exceeded|ENOSPC|EDQUOT/.test(message)) {
    return new StoreError(
      'DISK_FULL',
      `nothing was written: the disk of ${location} is full; free some space, the store recovers by itself`,
      { cause },
    );
  }
  // LevelDB says "IO error" of a table that is missing, or empty and cannot be mapped.
  if (/^Corruption: |^IO error: .*\.ldb: (Invalid argument|No such file)/.test(message)) {
    return damaged(location, message, cause);
  }
  return new StoreError('IO', `the disk of ${location} failed: ${message}; check the disk and the log`, {
    cause,
  });
}

function rootCause(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
