/**
 * Restores a backup into a directory that is empty or does not exist. The store is built beside the directory
 * and moved into place only when the whole file has been read and found intact, so that a truncated or
 * corrupt file leaves nothing behind. See backup.ts for the format and for what becomes of revisions.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { isMissing, syncDirectory } from '../lib/files.js';
import { BACKUP_MAGIC, BACKUP_VERSION, type BackupSummary, REVISION_JUMP } from './backup.js';
import { LAYOUT_VERSION, logKey } from './keys.js';
import { type Database, diskError, openDatabase } from './level-database.js';
import { initialise } from './level-scan.js';
import { decodeRecord, type LogRecord } from './record.js';
import { StoreError } from './store.js';
import { StoreDirectory } from './store-directory.js';
import { TableChecksums } from './table-checksums.js';

export interface RestoreOptions {
  readonly file: string;
  /** The store's directory; must be empty or not exist. */
  readonly directory: string;
  /** The highest revision known to have been handed out, when that is above the backup's. */
  readonly minRevision?: number;
}

const headerSchema = z.object({
  revision: z.number().int().nonnegative(),
  entries: z.number().int().nonnegative(),
  keyIds: z.array(z.string()),
});

const MAX_RECORD_BYTES = 64 * 1024 * 1024;
const MAX_HEADER_BYTES = 64 * 1024;
const BATCH_BYTES = 1024 * 1024;
const HASH_BYTES = 32;

/** Restores; resolves with the store's new revision. DAMAGED for a bad file, UNKNOWN_LAYOUT for a newer one, IO. */
export async function restoreBackup(options: RestoreOptions): Promise<BackupSummary> {
  const target = resolve(options.directory);
  await assertEmpty(target);
  const building = join(dirname(target), `.${basename(target)}.restoring`);
  try {
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true, mode: 0o700 });
    const summary = await build(building, resolve(options.file), options.minRevision ?? 0);
    // An empty target is replaced by the rename; one that was filled meanwhile makes it fail.
    await rename(building, target);
    await syncDirectory(dirname(target));
    return summary;
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw diskError(target, error);
  }
}

async function assertEmpty(directory: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return;
    throw diskError(directory, error);
  }
  if (names.length === 0) return;
  throw new StoreError(
    'IO',
    `${directory} is not empty (it has ${names.slice(0, 3).join(', ')}); restore into an empty or new directory`,
  );
}

async function build(directory: string, file: string, minRevision: number): Promise<BackupSummary> {
  const store = new StoreDirectory(directory);
  const database = await openDatabase(store.database, true);
  try {
    const input = new BackupInput(file);
    const header = await input.header();
    await copyRecords(input, header, database);
    const revision = Math.max(header.revision, minRevision) + REVISION_JUMP;
    await initialise(database, LAYOUT_VERSION, { compacted: revision, live: header.entries });
    await database.close();
    const tables = new TableChecksums(store.database, undefined);
    await tables.addNew();
    await store.readRollback();
    await store.writeMark(revision, await tables.note());
    return { revision, entries: header.entries };
  } finally {
    await database.close();
  }
}

async function copyRecords(
  input: BackupInput,
  header: { readonly revision: number; readonly entries: number },
  database: Database,
): Promise<void> {
  let batch = database.batch();
  let size = 0;
  let count = 0;
  for await (const data of input.records()) {
    const { revision } = input.decode(data);
    if (revision > header.revision)
      throw input.bad(`it holds revision ${revision} above its own ${header.revision}`);
    batch.put(logKey(revision), data);
    count++;
    size += data.length;
    if (size < BATCH_BYTES) continue;
    await batch.write();
    batch = database.batch();
    size = 0;
  }
  await batch.write({ sync: true });
  if (count !== header.entries) throw input.bad(`it has ${count} of ${header.entries} values`);
}

/** Reads a backup file piece by piece, checking it on the way. */
class BackupInput {
  readonly #file: string;
  readonly #hash = createHash('sha256');
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(file: string) {
    this.#file = file;
    this.#chunks = unpack(file, (what, cause) => this.bad(what, cause));
  }

  bad(what: string, cause?: unknown): StoreError {
    return new StoreError('DAMAGED', `${this.#file} is not an intact backup: ${what}; use another one`, {
      cause,
    });
  }

  decode(data: Buffer): LogRecord {
    try {
      return decodeRecord(data);
    } catch (cause) {
      throw this.bad((cause as Error).message, cause);
    }
  }

  async header(): Promise<z.infer<typeof headerSchema>> {
    let end = this.#buffer.indexOf('\n');
    while (end < 0) {
      if (this.#buffer.length > MAX_HEADER_BYTES) throw this.bad('its header is too long');
      await this.#fill(this.#buffer.length + 1);
      end = this.#buffer.indexOf('\n');
    }
    const line = await this.#take(end + 1);
    this.#hash.update(line);
    try {
      return headerSchema.parse(JSON.parse(line.toString()));
    } catch (cause) {
      throw this.bad('its header cannot be read', cause);
    }
  }

  /** Every record; returns only when the hash at the end matches and nothing follows it. */
  async *records(): AsyncGenerator<Buffer> {
    for (;;) {
      const prefix = await this.#take(4);
      const length = prefix.readUInt32BE(0);
      if (length === 0) break;
      if (length > MAX_RECORD_BYTES) throw this.bad(`it has a record of ${length} bytes`);
      const data = await this.#take(length);
      this.#hash.update(prefix).update(data);
      yield data;
    }
    if (!this.#hash.digest().equals(await this.#take(HASH_BYTES)))
      throw this.bad('its checksum does not match');
    if (this.#buffer.length > 0 || !(await this.#chunks.next()).done)
      throw this.bad('something follows its end');
  }

  async #take(length: number): Promise<Buffer> {
    await this.#fill(length);
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #fill(length: number): Promise<void> {
    if (this.#buffer.length >= length) return;
    const parts = [this.#buffer];
    let size = this.#buffer.length;
    while (size < length) {
      const next = await this.#chunks.next();
      if (next.done === true) throw this.bad('it ends too early');
      parts.push(next.value);
      size += next.value.length;
    }
    this.#buffer = Buffer.concat(parts);
  }
}

/** The unpacked content of a backup file, after its first line was checked. */
async function* unpack(file: string, bad: (what: string, cause?: unknown) => Error): AsyncGenerator<Buffer> {
  const magicBytes = await checkMagic(file, bad);
  const source = createReadStream(file, { start: magicBytes });
  const gunzip = createGunzip();
  source.once('error', (error) => gunzip.destroy(error));
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw code.startsWith('Z_') ? bad((error as Error).message, error) : error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** The length of the first line. UNKNOWN_LAYOUT when it names a newer format. */
async function checkMagic(file: string, bad: (what: string) => Error): Promise<number> {
  const longest = `${BACKUP_MAGIC}9999\n`.length;
  let start = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { end: longest - 1 }))
    start = Buffer.concat([start, chunk]);
  const line = start.subarray(0, start.indexOf('\n') + 1).toString('latin1');
  const version = line.startsWith(BACKUP_MAGIC) ? line.slice(BACKUP_MAGIC.length, -1) : '';
  if (!/^\d{1,4}$/.test(version)) throw bad('it does not start like one');
  if (Number(version) !== BACKUP_VERSION) {
    throw new StoreError(
      'UNKNOWN_LAYOUT',
      `${file} has backup format ${version}, this version of Covey reads ${BACKUP_VERSION}; use the version that made it`,
    );
  }
  return line.length;
}
