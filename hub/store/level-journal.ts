/**
 * The journal on LevelDB: one record per change, one fsynced batch per append. Reads history back, compacts
 * it, and comes through a failing disk.
 *
 * After a failed write LevelDB's log file is in an unknown state: the batch may be there in full, in part or
 * not at all, and what is appended behind a torn record can be lost. So a failure stops all writing at once.
 * The rollback file names the last durable revision *before* the writers hear of the failure, so that a
 * restart voids what may have reached the disk. Then, in the background: wait until the disk takes a probe
 * file, open the database anew (which starts a fresh log file), delete what is void, clear the rollback file,
 * and only then write again. Reading goes on meanwhile, but for the moment of reopening.
 */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type Change, makeChange, type StoredEntry } from './change.js';
import { closed, damaged } from './errors.js';
import type { Journal, Trace } from './journal.js';
import { LOG_END, logKey, META_FLOOR } from './keys.js';
import {
  type Database,
  diskError,
  ITERATOR_BYTES,
  openDatabase,
  WRITE_BUFFER_BYTES,
} from './level-database.js';
import { encodeFloor, newestRevision, voidAbove } from './level-scan.js';
import { decodeRecord, type LogRecord, RecordEncoder } from './record.js';
import type { RevisionChain } from './revision-chain.js';
import type { Sealing } from './sealing.js';
import type { StoreError } from './store.js';
import type { StoreDirectory } from './store-directory.js';
import type { TableChecksums } from './table-checksums.js';

export interface LevelJournalOptions {
  readonly directory: StoreDirectory;
  readonly database: Database;
  readonly tables: TableChecksums;
  readonly chain: RevisionChain;
  readonly toEntry: (record: LogRecord) => StoredEntry;
  readonly sealing: Sealing | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

const COMPACTION_STEP = 2000;
const PROBE_BYTES = 2 * WRITE_BUFFER_BYTES;
const RECOVERY = { initialMs: 200, maxMs: 5000 };

export class LevelJournal implements Journal {
  readonly #options: LevelJournalOptions;
  readonly #chain: RevisionChain;
  readonly #encoder = new RecordEncoder();
  readonly #stop = new AbortController();
  #database: Database;
  /** Why nothing can be written at present. */
  #failure: StoreError | undefined;
  #recovery: Promise<void> = Promise.resolve();
  /** Settles when the database is not being reopened. */
  #reopening: Promise<void> = Promise.resolve();
  /** Writes to LevelDB one after the other: what follows a failed one must not reach its log. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(options: LevelJournalOptions) {
    this.#options = options;
    this.#database = options.database;
    this.#chain = options.chain;
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  async append(changes: readonly Change[]): Promise<void> {
    const { sealing } = this.#options;
    await this.#write(true, () => {
      const batch = this.#database.batch();
      for (const { type, key, revision, entry, before, value } of changes) {
        const sealed = sealing?.seals(key) === true;
        const record = this.#encoder.encode({
          type,
          key,
          revision,
          createRevision: entry.createRevision,
          previousRevision: before?.modRevision ?? 0,
          expiresAt: entry.expiresAt,
          sealed,
          bytes: sealed ? sealing.seal(key, revision, value.bytes) : value.bytes,
        });
        // LevelDB copies the bytes in this call.
        batch.put(logKey(revision), record);
      }
      return batch;
    });
    for (const { before, type } of changes) this.#chain.push(before?.modRevision ?? 0, type === 'deleted');
  }

  async read(first: number, last: number): Promise<Change[]> {
    const records = await this.#records(first, last);
    const known = new Map(records.map((record) => [record.revision, record]));
    const missing = records
      .map((record) => record.previousRevision)
      .filter((revision) => revision > 0 && !known.has(revision));
    for (const record of await this.#recordsAt(missing)) {
      if (record !== undefined) known.set(record.revision, record);
    }
    const { toEntry } = this.#options;
    return records.map((record) => {
      const before = known.get(record.previousRevision);
      return makeChange(record.type, toEntry(record), before === undefined ? undefined : toEntry(before));
    });
  }

  async trace(first: number, last: number): Promise<Trace[]> {
    return await this.#records(first, last);
  }

  async entriesAt(revisions: readonly number[]): Promise<Array<StoredEntry | undefined>> {
    const records = await this.#recordsAt(revisions);
    return records.map((record) => (record === undefined ? undefined : this.#options.toEntry(record)));
  }

  async compact(floor: number): Promise<void> {
    while (this.#chain.floor < floor) {
      const step = this.#chain.plan(floor, COMPACTION_STEP);
      // Not synced: were it lost, there would be more history than needed, and the floor with it.
      await this.#write(false, () => {
        const batch = this.#database.batch();
        for (const revision of step.obsolete) batch.del(logKey(revision));
        return batch.put(META_FLOOR, encodeFloor({ compacted: step.floor, live: step.live }));
      });
      this.#chain.advance(step);
    }
    await this.#mark(true);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#recovery;
    await this.#lastWrite;
    const failed = this.#failure !== undefined;
    this.#failure = closed();
    await this.#database.close();
    if (!failed) await this.#mark(false);
  }

  /** Carries out one LevelDB batch after the ones before it. `build` runs when it is its turn. */
  async #write(sync: boolean, build: () => ReturnType<Database['batch']>): Promise<void> {
    const turn = this.#lastWrite.then(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        await build().write({ sync });
      } catch (error) {
        throw await this.#fail(error);
      }
    });
    this.#lastWrite = turn.catch(() => undefined);
    await turn;
  }

  /** Stops writing, makes the last durable revision known to a restart, and starts to recover. */
  async #fail(error: unknown): Promise<StoreError> {
    const { directory, logger } = this.#options;
    const failure = diskError(directory.path, error);
    this.#failure = failure;
    const durable = this.#chain.last;
    logger.error(
      { err: failure, revision: durable },
      'the store cannot write; it refuses writes until it can',
    );
    try {
      await directory.writeRollback(durable);
    } catch (err) {
      logger.error(
        { err },
        'the rollback file cannot be written; a restart may show writes that were refused',
      );
    }
    this.#recovery = this.#recover(durable);
    return failure;
  }

  async #recover(durable: number): Promise<void> {
    const { clock, logger, random } = this.#options;
    const { signal } = this.#stop;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await clock.sleep(backoffDelay(RECOVERY, attempt, random), signal);
        await this.#probe();
        const reopening = this.#reopen(durable);
        this.#reopening = reopening.catch(() => undefined);
        await reopening;
        await this.#mark(true);
        this.#failure = undefined;
        logger.info({ revision: durable }, 'the store writes again');
        return;
      } catch (err) {
        if (!signal.aborted) logger.warn({ err, attempt }, 'the store cannot write yet');
      }
    }
  }

  /** Fails unless the disk takes about as much as reopening the database may need. */
  async #probe(): Promise<void> {
    const file = join(this.#options.directory.path, 'probe');
    try {
      const handle = await open(file, 'w', 0o600);
      try {
        await handle.write(Buffer.alloc(PROBE_BYTES));
        await handle.sync();
      } finally {
        await handle.close();
      }
    } finally {
      await rm(file, { force: true });
    }
  }

  async #reopen(durable: number): Promise<void> {
    const { directory } = this.#options;
    await this.#database.close();
    this.#database = await openDatabase(directory.database, false);
    await voidAbove(this.#database, durable);
    const newest = await newestRevision(this.#database, this.#chain.floor);
    if (newest < durable) {
      throw damaged(directory.path, `revision ${newest + 1} was durable and is gone`);
    }
    await directory.writeRollback(undefined);
  }

  /** Notes how far the store is. Losing the note weakens a check at the next open, nothing else. */
  async #mark(databaseIsOpen: boolean): Promise<void> {
    const { directory, tables, logger } = this.#options;
    try {
      await (databaseIsOpen ? tables.dropGone() : tables.addNew());
      await directory.writeMark(this.#chain.last, await tables.note());
    } catch (err) {
      logger.warn({ err }, 'the store description was not updated');
    }
  }

  async #records(first: number, last: number): Promise<LogRecord[]> {
    const range = { gte: logKey(first), lte: logKey(last), lt: LOG_END, highWaterMarkBytes: ITERATOR_BYTES };
    return await this.#reading(async (database) => {
      const values = await database.values(range).all();
      return values.map((data) => decodeRecord(data));
    });
  }

  async #recordsAt(revisions: readonly number[]): Promise<Array<LogRecord | undefined>> {
    if (revisions.length === 0) return [];
    return await this.#reading(async (database) => {
      const values = await database.getMany(revisions.map(logKey));
      return values.map((data) => (data === undefined ? undefined : decodeRecord(data)));
    });
  }

  /** Reads; once more when the database was opened anew under the read. */
  async #reading<T>(read: (database: Database) => Promise<T>): Promise<T> {
    await this.#reopening;
    const database = this.#database;
    try {
      return await read(database);
    } catch (error) {
      await this.#reopening;
      if (database !== this.#database) return await this.#reading(read);
      if (this.#stop.signal.aborted) throw closed();
      if (error instanceof RangeError) throw damaged(this.#options.directory.path, error.message, error);
      throw diskError(this.#options.directory.path, error);
    }
  }
}
