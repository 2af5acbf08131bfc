/**
 * Where changes become durable: what the store's core needs from a disk. `LevelJournal` keeps them in
 * LevelDB, `VolatileJournal` (memory-store.ts) nowhere.
 */
import type { Change, StoredEntry } from './change.js';
import type { StoreError } from './store.js';

/** A change as far as a past snapshot needs it: what it did to which key, without values. */
export interface Trace {
  readonly key: string;
  readonly revision: number;
  /** Revision of the key's record before this change; 0 when it did not exist. */
  readonly previousRevision: number;
}

export interface Journal {
  /** Why `append` rejects at present; undefined while it does not. */
  readonly failure: StoreError | undefined;
  /**
   * Makes the changes durable, all or none. Rejects with a StoreError of code DISK_FULL or IO; then none of
   * them will ever show, not after a restart either, and the next append may reuse their revisions. Calls
   * must not overlap.
   */
  append(changes: readonly Change[]): Promise<void>;
  /** Changes with revisions from `first` to `last`, ascending, none left out unless compacted meanwhile. */
  read(first: number, last: number): Promise<Change[]>;
  /** As `read`, without values. */
  trace(first: number, last: number): Promise<Trace[]>;
  /** The entries written at these revisions; undefined where the record is compacted. */
  entriesAt(revisions: readonly number[]): Promise<Array<StoredEntry | undefined>>;
  /** Drops what no snapshot at or above `floor` needs. `floor` is durable. Calls must not overlap. */
  compact(floor: number): Promise<void>;
  /** Releases the disk after what is under way; later calls reject with CLOSED. */
  close(): Promise<void>;
}
