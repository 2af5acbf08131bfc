/**
 * The store on LevelDB. Opening takes the directory's lock, voids what a failed batch may have left, reads and
 * checks the whole log, and serves reads from memory from then on; writes go through the journal.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { type Logger, silentLogger } from '#protocol/lib/logger.js';
import { type BackupSummary, writeBackup } from './backup.js';
import { type CompactionPolicy, DEFAULT_COMPACTION } from './compaction.js';
import { damaged } from './errors.js';
import { ByteKeeper } from './kept-bytes.js';
import { LAYOUT_VERSION, META_LAYOUT } from './keys.js';
import { type Database, diskError, openDatabase } from './level-database.js';
import { LevelJournal } from './level-journal.js';
import { initialise, newestRevision, type Scanned, scan, type ToEntry, voidAbove } from './level-scan.js';
import type { Sealing } from './sealing.js';
import { type Store, StoreError } from './store.js';
import { StoreCore, type StoreCoreOptions } from './store-core.js';
import { StoreDirectory } from './store-directory.js';
import { TableChecksums } from './table-checksums.js';
import { type Decode, decodeJson, type MakeTombstone, stampResourceVersion } from './values.js';

export interface LevelStoreOptions {
  /** Made, mode 0700, when it does not exist. One process at a time. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** 0 to 1, for back-off; Math.random unless given. */
  readonly random?: () => number;
  /** Encrypts selected values on disk; nothing is encrypted unless given. */
  readonly sealing?: Sealing;
  /** How bytes become objects when the store opens; JSON, deeply frozen, unless given. */
  readonly decode?: Decode;
  /** The last value of a key that expires; stamps metadata.resourceVersion unless given. */
  readonly tombstone?: MakeTombstone;
  /** When history is forgotten; DEFAULT_COMPACTION unless given, 'off': only on request. */
  readonly compaction?: CompactionPolicy | 'off';
  /** Estimated bytes of history kept in memory, 32 MiB unless given; older history is read from disk. */
  readonly historyBytes?: number;
}

const DEFAULT_HISTORY_BYTES = 32 * 1024 * 1024;

export interface LevelStore extends Store {
  /**
   * Writes a consistent snapshot of the current values to `file` while the store goes on; see backup.ts.
   * The file appears complete or not at all. Rejects with DISK_FULL or IO of the file's disk.
   */
  backup(file: string): Promise<BackupSummary>;
}

/** Opens or makes the store in a directory. StoreError LOCKED, UNKNOWN_LAYOUT, DAMAGED, DISK_FULL or IO. */
export async function openLevelStore(options: LevelStoreOptions): Promise<LevelStore> {
  const { clock, sealing, decode = decodeJson, logger = silentLogger, random = Math.random } = options;
  const { compaction = DEFAULT_COMPACTION } = options;
  const directory = new StoreDirectory(options.directory);
  const toEntry = entryReader(decode, sealing);
  const { database, recovered, tables } = await openDirectory(directory, toEntry);
  const { chain } = recovered;
  logger.info(
    { directory: directory.path, revision: recovered.revision, entries: recovered.entries.length },
    'store opened',
  );
  return new LevelStoreCore(
    {
      journal: new LevelJournal({
        directory,
        database,
        tables,
        chain,
        toEntry,
        sealing,
        clock,
        logger,
        random,
      }),
      recovered,
      clock,
      logger,
      random,
      tombstone: options.tombstone ?? stampResourceVersion,
      decode,
      historyBytes: options.historyBytes ?? DEFAULT_HISTORY_BYTES,
      compaction: compaction === 'off' ? undefined : compaction,
    },
    sealing,
  );
}

class LevelStoreCore extends StoreCore implements LevelStore {
  readonly #clock: Clock;
  readonly #sealing: Sealing | undefined;

  constructor(options: StoreCoreOptions, sealing: Sealing | undefined) {
    super(options);
    this.#clock = options.clock;
    this.#sealing = sealing;
  }

  async backup(file: string): Promise<BackupSummary> {
    this.assertOpen();
    // Entries never change, so this copy of the list is the snapshot; revision and list are of one instant.
    const { revision, entries } = this.state;
    return await writeBackup(
      file,
      { revision, entries: entries.all(), created: this.#clock.now() },
      this.#sealing,
    );
  }
}

async function openDirectory(
  directory: StoreDirectory,
  toEntry: ToEntry,
): Promise<{ database: Database; recovered: Scanned; tables: TableChecksums }> {
  try {
    await directory.ensure();
    const mark = await directory.readMark();
    const tables = new TableChecksums(directory.database, mark?.checksums);
    const problem = await tables.verify();
    if (problem !== undefined) throw damaged(directory.path, problem);
    const database = await openDatabase(directory.database, mark === undefined);
    try {
      const recovered = await recover(directory, database, toEntry);
      if (mark !== undefined && recovered.revision < mark.revision) {
        throw damaged(
          directory.path,
          `it ends at revision ${recovered.revision}, but revision ${mark.revision} was durable`,
        );
      }
      await tables.settle();
      await directory.writeMark(recovered.revision, await tables.note());
      await directory.sync();
      return { database, recovered, tables };
    } catch (error) {
      await database.close();
      throw error;
    }
  } catch (error) {
    throw diskError(directory.path, error);
  }
}

async function recover(directory: StoreDirectory, database: Database, toEntry: ToEntry): Promise<Scanned> {
  const durable = await directory.readRollback();
  if (durable !== undefined) {
    await voidAbove(database, durable);
    await directory.writeRollback(undefined);
  }
  const layout = await database.get(META_LAYOUT);
  if (layout === undefined && (await newestRevision(database, 0)) === 0) {
    await initialise(database, LAYOUT_VERSION, { compacted: 0, live: 0 });
  }
  return await scan(database, directory.path, toEntry);
}

function entryReader(decode: Decode, sealing: Sealing | undefined): ToEntry {
  const keeper = new ByteKeeper(decode);
  return (record) => {
    const { key, revision, createRevision, expiresAt, sealed } = record;
    if (sealed && sealing === undefined) {
      throw new StoreError('DAMAGED', `the value of "${key}" is sealed; open the store with its key file`, {
        key,
      });
    }
    const bytes = sealed && sealing !== undefined ? sealing.open(key, revision, record.bytes) : record.bytes;
    // Decoded in any case: what cannot be is damage, and is told when the store opens.
    const decoded = { bytes, object: decode(bytes) };
    const value = expiresAt === 0 ? decoded : keeper.keep(decoded);
    return { key, value, createRevision, modRevision: revision, expiresAt };
  };
}
