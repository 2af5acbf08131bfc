/**
 * The files of a store directory beside its database.
 *
 *     db/          LevelDB, see keys.ts
 *     store.json   { layout, revision, checksums }: the layout; a revision that was durable when the file was
 *                  written, at creation, compaction and clean stop; checksums, see table-checksums.ts. A
 *                  database behind the revision has lost writes (a truncated log, a deleted file), which
 *                  LevelDB alone would take for an old state.
 *     rollback     64 bytes, always present so that it can be overwritten in place on a full disk: names a
 *                  revision above which records are void, while a failed batch may still be in LevelDB's
 *                  log. Otherwise blank. A torn write of it reads as blank: the batch was then neither
 *                  acknowledged nor refused.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { readFileIfPresent, syncDirectory, writeFileDurably } from '../lib/files.js';
import { damaged } from './errors.js';
import { LAYOUT_VERSION } from './keys.js';
import { StoreError } from './store.js';
import type { TableNote } from './table-checksums.js';

export interface Mark {
  readonly layout: number;
  readonly revision: number;
  readonly checksums: TableNote;
}

/** All that the description has in common with those of other layouts. */
const layoutSchema = z.object({ layout: z.number().int() });
const tableSchema = z.object({ name: z.string(), bytes: z.number().int(), crc: z.number().int() });
const markSchema = layoutSchema.extend({
  revision: z.number().int().nonnegative(),
  checksums: z.object({ manifest: z.string(), tables: z.array(tableSchema) }),
});

const ROLLBACK_BYTES = 64;
const ROLLBACK_LINE = /^void-above (\d{16}) ([0-9a-f]{8})\n/;

export class StoreDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get database(): string {
    return join(this.path, 'db');
  }

  /** Makes the directory, mode 0700, if it does not exist. */
  async ensure(): Promise<void> {
    const first = await mkdir(this.path, { recursive: true, mode: 0o700 });
    if (first !== undefined) await syncDirectory(dirname(first));
  }

  /** The mark; undefined in a directory that was never a store. UNKNOWN_LAYOUT for another layout, DAMAGED. */
  async readMark(): Promise<Mark | undefined> {
    const text = await readFileIfPresent(this.#markFile);
    if (text === undefined) return undefined;
    try {
      const { layout } = layoutSchema.parse(JSON.parse(text));
      assertLayout(this.path, layout);
      return markSchema.parse(JSON.parse(text));
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw damaged(this.#markFile, 'it is not a store description', cause);
    }
  }

  async writeMark(revision: number, checksums: TableNote): Promise<void> {
    const mark: Mark = { layout: LAYOUT_VERSION, revision, checksums };
    await writeFileDurably(this.#markFile, `${JSON.stringify(mark)}\n`);
  }

  /** The revision above which records are void; undefined when there is none. Makes the file if missing. */
  async readRollback(): Promise<number | undefined> {
    const text = await readFileIfPresent(this.#rollbackFile);
    if (text === undefined) {
      await writeFileDurably(this.#rollbackFile, Buffer.alloc(ROLLBACK_BYTES, ' '));
      return undefined;
    }
    const match = ROLLBACK_LINE.exec(text);
    if (match?.[1] === undefined || match[2] !== checksum(match[1])) return undefined;
    return Number(match[1]);
  }

  /** Overwrites the rollback file in place, durably; needs no free space. undefined makes it blank. */
  async writeRollback(revision: number | undefined): Promise<void> {
    const digits = String(revision).padStart(16, '0');
    const line = revision === undefined ? '' : `void-above ${digits} ${checksum(digits)}\n`;
    const handle = await open(this.#rollbackFile, 'r+');
    try {
      await handle.write(Buffer.from(line.padEnd(ROLLBACK_BYTES, ' ')), 0, ROLLBACK_BYTES, 0);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  /** Makes the entries of the directory itself durable. */
  async sync(): Promise<void> {
    await syncDirectory(this.path);
  }

  get #markFile(): string {
    return join(this.path, 'store.json');
  }

  get #rollbackFile(): string {
    return join(this.path, 'rollback');
  }
}

/** UNKNOWN_LAYOUT unless this version of the store reads and writes the layout. */
export function assertLayout(where: string, layout: unknown): void {
  if (layout === LAYOUT_VERSION) return;
  throw new StoreError(
    'UNKNOWN_LAYOUT',
    `the store in ${where} has layout ${JSON.stringify(layout)}, this version of Covey knows ${LAYOUT_VERSION}; ` +
      'start the version that wrote it, or restore a backup into an empty directory (covey restore)',
  );
}

function checksum(digits: string): string {
  return crc32(digits).toString(16).padStart(8, '0');
}
