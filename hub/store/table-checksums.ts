/**
 * Checksums of LevelDB's table files. LevelDB does not check the blocks of a table when it reads them: a
 * flipped bit there can end the process in an assertion, or bring back an old value. A table never changes
 * once LevelDB has taken it over, so the store notes the checksum of each and compares them before LevelDB
 * opens. LevelDB's log files and manifest carry checksums that it does check. Not covered are tables written
 * since the store was opened, when it then stops without closing; the log's own checks (level-scan.ts) see
 * most damage in those.
 *
 * The number of a table that LevelDB did not finish is used again after the next opening, so a note must not
 * outlive one. Every opening starts a new manifest: a note carries the manifest's name and counts only while
 * that is the current one. After an opening only those tables are noted again that LevelDB has kept untouched
 * (it removes unfinished ones), and new ones when it has closed.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { orMissing } from '../lib/files.js';

export interface TableChecksum {
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
}

/** The checksums of the tables that belong to a manifest. */
export interface TableNote {
  readonly manifest: string;
  readonly tables: readonly TableChecksum[];
}

const TABLE = /^\d+\.(ldb|sst)$/;

export class TableChecksums {
  readonly #directory: string;
  readonly #manifest: string;
  #known: Map<string, TableChecksum>;
  /** What `verify` found: each table's checksum and what tells whether it was touched since. */
  #verified = new Map<string, { readonly checksum: TableChecksum; readonly identity: string }>();

  /** `recorded`: what an earlier run noted about the tables in `directory`. */
  constructor(directory: string, recorded: TableNote | undefined) {
    this.#directory = directory;
    this.#manifest = recorded?.manifest ?? '';
    this.#known = new Map(recorded?.tables.map((table) => [table.name, table]));
  }

  /** What is known, for the next run. */
  async note(): Promise<TableNote> {
    return { manifest: await this.#currentManifest(), tables: [...this.#known.values()] };
  }

  /** Before the database opens: compares its tables; the reason when one differs. */
  async verify(): Promise<string | undefined> {
    this.#verified.clear();
    if ((await this.#currentManifest()) !== this.#manifest) this.#known.clear();
    for (const name of await this.#tables()) {
      const checksum = await this.#compute(name);
      const identity = await this.#identity(name);
      if (checksum === undefined || identity === undefined) continue;
      const expected = this.#known.get(name) ?? checksum;
      if (checksum.bytes !== expected.bytes)
        return `${name} has ${checksum.bytes} bytes, not ${expected.bytes}`;
      if (checksum.crc !== expected.crc) return `${name} does not match its checksum`;
      this.#verified.set(name, { checksum, identity });
    }
    return undefined;
  }

  /** After the database has opened: knows the verified tables that it has kept, and only those. */
  async settle(): Promise<void> {
    this.#known = new Map();
    for (const [name, { checksum, identity }] of this.#verified) {
      if ((await this.#identity(name)) === identity) this.#known.set(name, checksum);
    }
    this.#verified.clear();
  }

  /** While the database is open: forgets the tables that it has removed. */
  async dropGone(): Promise<void> {
    const names = new Set(await this.#tables());
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }

  /** After the database has closed: knows every table that is there. */
  async addNew(): Promise<void> {
    await this.dropGone();
    for (const name of await this.#tables()) {
      if (this.#known.has(name)) continue;
      const checksum = await this.#compute(name);
      if (checksum !== undefined) this.#known.set(name, checksum);
    }
  }

  async #currentManifest(): Promise<string> {
    return (await orMissing(readFile(join(this.#directory, 'CURRENT'), 'utf8')))?.trim() ?? '';
  }

  async #tables(): Promise<string[]> {
    const names = (await orMissing(readdir(this.#directory))) ?? [];
    return names.filter((name) => TABLE.test(name));
  }

  /** undefined when the table does not exist. */
  async #compute(name: string): Promise<TableChecksum | undefined> {
    const content = await orMissing(readFile(join(this.#directory, name)));
    return content === undefined ? undefined : { name, bytes: content.length, crc: crc32(content) };
  }

  async #identity(name: string): Promise<string | undefined> {
    const found = await orMissing(stat(join(this.#directory, name), { bigint: true }));
    return found === undefined ? undefined : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
  }
}
