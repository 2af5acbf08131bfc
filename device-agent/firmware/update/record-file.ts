/** The record of the last update on disk, `<data>/update/record.json`: whole or absent, damaged counts as absent. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '#protocol/lib/logger.js';
import { MAX_UPDATE_REASON, UPDATE_STATES, updateOfferSchema } from '#protocol/link/agent-update.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { orMissing } from '../../lib/errno.js';
import type { UpdateRecord } from './plan.js';

const recordSchema = z.object({
  offer: updateOfferSchema,
  state: z.enum(UPDATE_STATES),
  reason: z.string().max(MAX_UPDATE_REASON).optional(),
  switches: z.number().int().nonnegative(),
});

export class RecordFile {
  readonly directory: string;
  readonly #path: string;
  readonly #logger: Logger;

  /** The directory is made when something is written. */
  constructor(directory: string, logger: Logger) {
    this.directory = directory;
    this.#path = join(directory, 'record.json');
    this.#logger = logger;
  }

  async read(): Promise<UpdateRecord | undefined> {
    const text = await orMissing(readFile(this.#path, 'utf8'));
    if (text === undefined) return undefined;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.warn({ err: error, path: this.#path }, 'the record of the last update is damaged');
      return undefined;
    }
  }

  async write(record: UpdateRecord): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#path, `${JSON.stringify(record)}\n`);
  }
}
