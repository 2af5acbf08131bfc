/**
 * Session epochs: one number per connection, strictly increasing over restarts, reboots and power cuts. The
 * file holds a ceiling below which numbers may have been used; it is written once per hundred connections, so
 * a flapping link does not wear the card.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#protocol/lib/logger.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';

const BLOCK = 100;

export class EpochCounter {
  readonly #path: string;
  #next: number;
  #ceiling: number;

  private constructor(path: string, start: number) {
    this.#path = path;
    this.#next = start + 1;
    this.#ceiling = start;
  }

  /** `base`: the epoch of the identity; numbers are above it even when the file is gone or damaged. */
  static async open(directory: string, base: number, logger: Logger): Promise<EpochCounter> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'epoch');
    const kept = Number((await orMissing(readFile(path, 'utf8')))?.trim() ?? 0);
    if (!Number.isSafeInteger(kept) || kept < 0) {
      logger.warn({ path }, 'the epoch file is damaged; epochs start at the base of the identity');
    }
    return new EpochCounter(path, Math.max(base, Number.isSafeInteger(kept) ? kept : 0));
  }

  /** The epoch of the next session. Resolves once no later start can give it again. */
  async next(): Promise<number> {
    const epoch = this.#next;
    if (epoch > this.#ceiling) {
      await writeFileAtomic(this.#path, `${epoch + BLOCK}\n`);
      this.#ceiling = epoch + BLOCK;
    }
    this.#next = epoch + 1;
    return epoch;
  }
}
