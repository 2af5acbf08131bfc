/** What is known of each pulled image: one small JSON file per reference below `images/`, written atomically. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#protocol/lib/logger.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import type { LocalImage } from './image-store.js';

export interface ImageRecord {
  readonly image: LocalImage;
  /** Lowest first. */
  readonly diffIds: readonly string[];
  /** Milliseconds since the epoch. */
  readonly lastUsed: number;
}

/** Uses are noted on disk no more often than this: the order of days is all that collection needs. */
const USE_RESOLUTION_MS = 6 * 3600 * 1000;

export class ImageRecords {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #records = new Map<string, ImageRecord>();

  constructor(dataDir: string, logger: Logger) {
    this.#directory = join(dataDir, 'images');
    this.#logger = logger;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      try {
        const record = JSON.parse(await readFile(path, 'utf8')) as ImageRecord;
        this.#records.set(record.image.reference, record);
      } catch (error) {
        this.#logger.warn({ err: error, path }, 'unreadable image record removed; the image is pulled again');
        await rm(path, { force: true, recursive: true });
      }
    }
  }

  get(reference: string): ImageRecord | undefined {
    return this.#records.get(reference);
  }

  list(): readonly ImageRecord[] {
    return [...this.#records.values()];
  }

  async put(record: ImageRecord): Promise<void> {
    await writeFileAtomic(this.#path(record.image.reference), JSON.stringify(record));
    this.#records.set(record.image.reference, record);
  }

  /** Notes that the image is used now. */
  async touch(reference: string, now: number): Promise<void> {
    const record = this.#records.get(reference);
    if (record && now - record.lastUsed > USE_RESOLUTION_MS) await this.put({ ...record, lastUsed: now });
  }

  async remove(reference: string): Promise<void> {
    this.#records.delete(reference);
    await rm(this.#path(reference), { force: true });
  }

  #path(reference: string): string {
    const name = createHash('sha256').update(reference).digest('hex').slice(0, 32);
    return join(this.#directory, `${name}.json`);
  }
}
