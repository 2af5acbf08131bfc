/**
 * Checksums of LevelDB's table files. LevelDB does not check the blocks of a table when it reads them: a
 * flipped bit there can end the process in an assertion, or bring back an old value. Tables never change once
 * written, so the store notes the checksum of each and compares them before LevelDB opens. Its log files and
 * manifest carry checksums that LevelDB does check. Not covered are tables written after the last note before
 * a power cut; the log's own checks (level-scan.ts) see most damage in those.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface TableChecksum {
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
}

const TABLE = /^\d+\.(ldb|sst)$/;

export class TableChecksums {
  readonly #directory: string;
  readonly #known: Map<string, TableChecksum>;
  /** Tables seen in the last round of `note`, with their sizes. */
  #growing = new Map<string, number>();

  /** `recorded`: what an earlier run noted about the tables in `directory`. */
  constructor(directory: string, recorded: readonly TableChecksum[]) {
    this.#directory = directory;
    this.#known = new Map(recorded.map((table) => [table.name, table]));
  }

  get all(): TableChecksum[] {
    return [...this.#known.values()];
  }

  /** Compares the tables that still exist; the reason when one differs. The database must not be open here. */
  async verify(): Promise<string | undefined> {
    for (const name of await this.#tables()) {
      const expected = this.#known.get(name);
      if (expected === undefined) continue;
      const found = await this.#compute(name);
      if (found === undefined) continue;
      if (found.bytes !== expected.bytes)
        return `${name} has ${found.bytes} bytes instead of ${expected.bytes}`;
      if (found.crc !== expected.crc) return `${name} does not match its checksum`;
    }
    return undefined;
  }

  /**
   * Notes new tables and forgets those that are gone. While the database is open a table may still be growing:
   * it is noted only when it has the size that it had in the round before.
   */
  async note(databaseIsOpen: boolean): Promise<void> {
    const names = new Set(await this.#tables());
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    const growing = new Map<string, number>();
    for (const name of names) {
      if (this.#known.has(name)) continue;
      const size = databaseIsOpen ? await this.#size(name) : undefined;
      if (size !== undefined && this.#growing.get(name) !== size) {
        growing.set(name, size);
        continue;
      }
      const checksum = await this.#compute(name);
      if (checksum !== undefined) this.#known.set(name, checksum);
    }
    this.#growing = growing;
  }

  async #tables(): Promise<string[]> {
    const names = (await unlessMissing(readdir(this.#directory))) ?? [];
    return names.filter((name) => TABLE.test(name));
  }

  /** undefined when LevelDB has removed the table meanwhile. */
  async #compute(name: string): Promise<TableChecksum | undefined> {
    const content = await unlessMissing(readFile(join(this.#directory, name)));
    return content === undefined ? undefined : { name, bytes: content.length, crc: crc32(content) };
  }

  async #size(name: string): Promise<number | undefined> {
    return (await unlessMissing(stat(join(this.#directory, name))))?.size;
  }
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
