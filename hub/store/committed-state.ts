/**
 * What readers see: current entries, recent history, watches, all at one durable revision. `apply` moves the
 * state forward by one commit in a single synchronous step, so a reader never sees part of one.
 */
import type { Change, StoredEntry } from './change.js';
import { expired, futureRevision } from './errors.js';
import { EventLog } from './event-log.js';
import type { Journal } from './journal.js';
import { listPast } from './past-list.js';
import { SortedEntries } from './sorted-entries.js';
import type { ListOptions, ListResult } from './store.js';
import { WatchHub } from './watch-hub.js';
import type { History } from './watcher.js';

/** What a journal found on disk. */
export interface RecoveredState {
  readonly entries: readonly StoredEntry[];
  readonly revision: number;
  readonly compactedRevision: number;
}

/** At most this many records are read from disk for one step of a reader. */
const DISK_STEP = 256;

export class CommittedState implements History {
  readonly entries = new SortedEntries();
  readonly log: EventLog;
  readonly watches: WatchHub = new WatchHub(this);
  readonly #journal: Journal;
  #revision: number;
  #compactedRevision: number;

  constructor(recovered: RecoveredState, journal: Journal, historyBytes: number) {
    this.#revision = recovered.revision;
    this.#compactedRevision = recovered.compactedRevision;
    this.#journal = journal;
    this.log = new EventLog(recovered.revision, historyBytes);
    for (const entry of recovered.entries) this.entries.set(entry);
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  /** Makes durable changes visible: first to reads, then to watches. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'deleted') this.entries.delete(change.key);
      else this.entries.set(change.entry);
    }
    this.log.append(changes);
    this.#revision = changes.at(-1)?.revision ?? this.#revision;
    this.watches.publish(changes, this.#revision);
  }

  /** Raises the floor of history. Readers below it fail from now on, also those that are half-way. */
  forget(floor: number): void {
    if (floor > this.#revision) throw futureRevision(floor, this.#revision);
    this.#compactedRevision = Math.max(floor, this.#compactedRevision);
    this.log.forget(this.#compactedRevision);
  }

  read(revision: number, limit: number): readonly Change[] | Promise<readonly Change[]> {
    if (revision + 1 >= this.log.first) return this.log.since(revision, limit);
    const last = Math.min(this.log.first - 1, revision + Math.min(limit, DISK_STEP));
    return this.#journal.read(revision + 1, last);
  }

  async list(options: ListOptions): Promise<ListResult> {
    const { prefix, after, limit = Number.POSITIVE_INFINITY, revision = this.#revision } = options;
    if (revision > this.#revision) throw futureRevision(revision, this.#revision);
    if (revision < this.#compactedRevision) throw expired(revision, this.#compactedRevision);
    if (revision === this.#revision) return { ...this.entries.range(prefix, after, limit), revision };
    return await listPast(this, this.#journal, { prefix, after, limit, revision });
  }
}
