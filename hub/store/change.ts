/**
 * The store's own view of a change: the event that watchers get, together with the entries before and after
 * it, so that a change can be applied, undone for a past snapshot, and written to the log from one object.
 */
import type { Entry, StoreEvent } from './store.js';

/** An entry as the store keeps it. */
export interface StoredEntry extends Entry {
  /** Wall-clock time in milliseconds since the Unix epoch at which the store deletes the key; 0: never. */
  readonly expiresAt: number;
}

export interface Change extends StoreEvent {
  /** The entry after the change; of a deletion, the tombstone, whose mod revision is the deletion's. */
  readonly entry: StoredEntry;
  /** The entry before the change; undefined for `created`. */
  readonly before: StoredEntry | undefined;
}

/** The change that leads from `before` to `entry`. */
export function makeChange(
  type: StoreEvent['type'],
  entry: StoredEntry,
  before: StoredEntry | undefined,
): Change {
  return {
    type,
    key: entry.key,
    revision: entry.modRevision,
    value: entry.value,
    previous: before?.value,
    entry,
    before,
  };
}
