/**
 * The log on the card: lines for a person who reads the card on a PC to learn why the device did not come up.
 * Written rarely: a line once in a run of the agent, and at most two hundred. Appended and flushed, so that a power
 * cut costs at most the last line; when it has grown too large its older half is given up. The boot partition is FAT and may be read-only or gone: a
 * line that cannot be written is let go, for the log is never a reason to stop.
 */
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { syncDirectory } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';

const FILE = 'log.txt';
export const MAX_CARD_LOG_BYTES = 64 * 1024;
const MAX_LINE = 500;
const MAX_LINES = 200;

export class CardLog {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #written = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Adds a line unless this run has said it before. Never rejects; resolves when it is on the card or given up. */
  write(text: string): Promise<void> {
    const line = text.replaceAll(/\s+/g, ' ').slice(0, MAX_LINE);
    if (this.#written.has(line) || this.#written.size >= MAX_LINES) return this.#writing;
    this.#written.add(line);
    const stamped = `${new Date(this.#clock.now()).toISOString().slice(0, 19)}Z agent: ${line}\n`;
    this.#writing = this.#writing.then(() => this.#append(stamped)).catch(() => undefined);
    return this.#writing;
  }

  /** Resolves when everything is on the card or given up. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #append(line: string): Promise<void> {
    const path = join(this.#directory, FILE);
    const size = (await orMissing(stat(path)))?.size ?? 0;
    if (size + line.length > MAX_CARD_LOG_BYTES) await this.#halve(path);
    const file = await open(path, 'a', 0o644);
    try {
      await file.writeFile(line);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #halve(path: string): Promise<void> {
    const text = await readFile(path, 'utf8');
    const kept = text.slice(-MAX_CARD_LOG_BYTES / 2);
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', 0o644);
    try {
      await file.writeFile(kept.slice(kept.indexOf('\n') + 1));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(this.#directory);
  }
}
