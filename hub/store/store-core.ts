/**
 * The Store over a Journal: composes the write pipeline, the committed state with its watches, expiry and
 * compaction. What differs between implementations is only where changes become durable.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { CommittedState, type RecoveredState } from './committed-state.js';
import { type CompactionPolicy, Compactor } from './compaction.js';
import { closed } from './errors.js';
import { Expiry } from './expiry.js';
import type { Journal } from './journal.js';
import { ByteKeeper } from './kept-bytes.js';
import type {
  Encode,
  Entry,
  ListOptions,
  ListResult,
  Store,
  StoreError,
  WatchBatch,
  WatchOptions,
} from './store.js';
import type { Decode, MakeTombstone } from './values.js';
import { WritePipeline } from './write-pipeline.js';

export interface StoreCoreOptions {
  readonly journal: Journal;
  readonly recovered: RecoveredState;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly tombstone: MakeTombstone;
  readonly decode: Decode;
  /** Estimated bytes of history kept in memory. */
  readonly historyBytes: number;
  /** undefined: history is compacted only when somebody asks. */
  readonly compaction: CompactionPolicy | undefined;
}

/** How often idle watchers learn the store's revision, in milliseconds. */
const PROGRESS_MS = 5000;
const MAX_KEY_BYTES = 0xffff;

export class StoreCore implements Store {
  protected readonly state: CommittedState;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #tombstone: MakeTombstone;
  readonly #pipeline: WritePipeline;
  readonly #expiry: Expiry;
  readonly #compactor: Compactor | undefined;
  #progress: Timer | undefined;
  #progressRevision = 0;
  #compacting: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: StoreCoreOptions) {
    const { journal, clock, logger, random, compaction } = options;
    this.#journal = journal;
    this.#clock = clock;
    this.#tombstone = options.tombstone;
    this.state = new CommittedState(options.recovered, journal, options.historyBytes);
    this.#expiry = new Expiry({
      clock,
      logger,
      random,
      expire: (key, created) => this.#expire(key, created),
    });
    const keeper = new ByteKeeper(options.decode);
    this.#pipeline = new WritePipeline(
      this.state,
      (changes) => journal.append(changes),
      (changes) => {
        this.#expiry.observe(changes);
        this.#compactor?.observe();
      },
      (value) => keeper.keep(value),
    );
    for (const entry of options.recovered.entries) this.#expiry.add(entry);
    this.#compactor =
      compaction === undefined
        ? undefined
        : new Compactor({ clock, logger, policy: compaction, store: this });
    this.#armProgress();
  }

  get revision(): number {
    return this.state.revision;
  }

  get compactedRevision(): number {
    return this.state.compactedRevision;
  }

  get failure(): StoreError | undefined {
    return this.#closing === undefined ? this.#journal.failure : closed();
  }

  async get(key: string): Promise<Entry | undefined> {
    this.assertOpen();
    return this.state.entries.get(key);
  }

  async list(options: ListOptions): Promise<ListResult> {
    this.assertOpen();
    return await this.state.list(options);
  }

  async create(key: string, encode: Encode, options: { readonly ttlMs?: number } = {}): Promise<Entry> {
    this.assertOpen();
    assertKey(key);
    const { ttlMs } = options;
    const expiresAt = ttlMs === undefined ? 0 : Math.max(1, Math.ceil(this.#clock.now() + ttlMs));
    return await this.#pipeline.write({ type: 'created', key, encode, expiresAt });
  }

  async update(key: string, encode: Encode, expected: number): Promise<Entry> {
    this.assertOpen();
    return await this.#pipeline.write({ type: 'updated', key, encode, expected });
  }

  async delete(key: string, encode: Encode, expected: number): Promise<Entry> {
    this.assertOpen();
    return await this.#pipeline.write({ type: 'deleted', key, encode, expected });
  }

  watch(options: WatchOptions): AsyncIterable<WatchBatch> {
    const watcher = this.state.watches.watch(options);
    if (this.#closing !== undefined) watcher.fail(closed());
    return watcher;
  }

  async compact(revision: number): Promise<void> {
    this.assertOpen();
    if (revision <= this.compactedRevision) return;
    this.state.forget(revision);
    // One at a time; a round that fails leaves only more on disk than needed, and must not stop the next.
    const round = this.#compacting.then(() => this.#journal.compact(this.compactedRevision));
    this.#compacting = round.catch(() => undefined);
    await round;
  }

  /** Finishes the accepted writes, ends the watches with CLOSED and releases the journal. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#progress?.cancel();
    this.#compactor?.[Symbol.dispose]();
    this.#expiry[Symbol.dispose]();
    await this.#pipeline.close();
    this.state.watches.failAll(closed());
    await this.#compacting;
    await this.#journal.close();
  }

  async #expire(key: string, createRevision: number): Promise<void> {
    const entry = this.#pipeline.acceptedEntry(key);
    if (entry?.createRevision !== createRevision) return;
    const encode: Encode = (revision) => this.#tombstone(entry.value, revision);
    await this.#pipeline.write({ type: 'deleted', key, encode, expected: entry.modRevision });
  }

  #armProgress(): void {
    this.#progress = this.#clock.setTimer(PROGRESS_MS, () => {
      if (this.#progressRevision !== this.revision) this.state.watches.progress(this.revision);
      this.#progressRevision = this.revision;
      this.#armProgress();
    });
  }

  protected assertOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}

/** A key must survive the way to disk and back unchanged. */
function assertKey(key: string): void {
  const bytes = Buffer.from(key);
  if (bytes.length === 0 || bytes.length > MAX_KEY_BYTES) {
    throw new TypeError(`a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${bytes.length}`);
  }
  if (bytes.toString() !== key)
    throw new TypeError(`the key ${JSON.stringify(key)} is not well-formed Unicode`);
}
