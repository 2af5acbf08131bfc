/**
 * The store's interface and its promises (DESIGN.md section 4): one revisioned, ordered log of changes to
 * keys, with compare-and-swap. Every implementation passes `test/contract/store-suite.ts`.
 *
 * Guarantees to callers:
 * - A write resolves only after it is durable. A rejected write has no effect, now or after a restart.
 * - Revisions of one store are strictly increasing; one write is one revision.
 * - Reads see only durable state. `get` and `list` after a resolved write see that write.
 * - A watch from revision R delivers every change with a revision greater than R under its prefix exactly
 *   once, in order, or ends with a StoreError: EXPIRED or SLOW_WATCHER (FUTURE_REVISION when R was never
 *   handed out, CLOSED with the store, IO when history cannot be read).
 */

/**
 * What is kept under a key: the object, frozen, and its JSON bytes, made once. Readers share both; the
 * bytes are what goes over the wire. Of keys that expire only the bytes are kept, and each look at `object`
 * decodes them anew (kept-bytes.ts).
 */
export interface StoredValue {
  readonly bytes: Uint8Array;
  readonly object: Readonly<Record<string, unknown>>;
}

/**
 * Makes the value of a write once its revision is known, so that the bytes can carry it as
 * `metadata.resourceVersion`. Called exactly once, synchronously, per accepted write.
 */
export type Encode = (revision: number) => StoredValue;

export interface Entry {
  readonly key: string;
  readonly value: StoredValue;
  /** Revision at which the key last came into being. */
  readonly createRevision: number;
  /** Revision of the last change. */
  readonly modRevision: number;
}

export interface StoreEvent {
  readonly type: 'created' | 'updated' | 'deleted';
  readonly key: string;
  readonly revision: number;
  /** The value after the change; of a deletion, the last object stamped with the deletion's revision. */
  readonly value: StoredValue;
  /** The value before the change; undefined for `created`. */
  readonly previous: StoredValue | undefined;
}

export interface ListOptions {
  readonly prefix: string;
  /** Only keys strictly greater than this one. */
  readonly after?: string;
  /** At most this many entries; all unless given. */
  readonly limit?: number;
  /** The snapshot to read; the current revision unless given. EXPIRED when compacted, FUTURE_REVISION when not reached. */
  readonly revision?: number;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  /** The revision of the snapshot. */
  readonly revision: number;
  /** How many entries of the prefix come after the last one returned. */
  readonly remaining: number;
}

export interface WatchOptions {
  readonly prefix: string;
  /** Deliver changes with a greater revision than this. EXPIRED when compacted, FUTURE_REVISION when not reached. */
  readonly fromRevision: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Most changes that may wait for a slow reader before the watch fails with SLOW_WATCHER. */
  readonly maxPending?: number;
}

/** One step of a watch: changes (maybe none) and the revision up to which the watcher is now complete. */
export interface WatchBatch {
  readonly events: readonly StoreEvent[];
  readonly revision: number;
}

export interface Store extends AsyncDisposable {
  /** The last durable revision. 0 for a new store. */
  readonly revision: number;
  /** The lowest revision from which a watch or a list is still possible. */
  readonly compactedRevision: number;
  /** Why nothing can be written at present (DISK_FULL, IO, CLOSED); undefined while writes are taken. */
  readonly failure: StoreError | undefined;

  get(key: string): Promise<Entry | undefined>;
  list(options: ListOptions): Promise<ListResult>;

  /**
   * Writes a key that does not exist; KEY_EXISTS otherwise. With `ttlMs` the key is deleted by the store,
   * as a write of its own, about that long after.
   */
  create(key: string, encode: Encode, options?: { readonly ttlMs?: number }): Promise<Entry>;
  /** Replaces a value whose mod revision is `expected`; CONFLICT when it is not, NOT_FOUND when it is gone. */
  update(key: string, encode: Encode, expected: number): Promise<Entry>;
  /** Deletes a key whose mod revision is `expected`. `encode` makes the tombstone: the last object at its deletion's revision. */
  delete(key: string, encode: Encode, expected: number): Promise<Entry>;

  /** A watch; see the guarantees above. Ends without error when the signal aborts. Single consumer. */
  watch(options: WatchOptions): AsyncIterable<WatchBatch>;

  /** Forgets history at and below `revision`; current values stay. */
  compact(revision: number): Promise<void>;
}

export type StoreErrorCode =
  | 'KEY_EXISTS'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'EXPIRED'
  | 'FUTURE_REVISION'
  | 'SLOW_WATCHER'
  | 'CLOSED'
  | 'LOCKED'
  | 'DAMAGED'
  | 'UNKNOWN_LAYOUT'
  | 'DISK_FULL'
  | 'IO';

/** Every failure of a store. `revision` is the current mod revision for CONFLICT, the floor for EXPIRED. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly key: string | undefined;
  readonly revision: number | undefined;

  constructor(
    code: StoreErrorCode,
    message: string,
    details: { key?: string; revision?: number; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.key = details.key;
    this.revision = details.revision;
  }
}
