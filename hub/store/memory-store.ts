/**
 * The store without a disk: same core, same promises within one process, nothing survives it. History stays
 * in memory until it is compacted. For tests, and for a hub that is to forget.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { type Logger, silentLogger } from '#protocol/lib/logger.js';
import type { CompactionPolicy } from './compaction.js';
import type { Journal } from './journal.js';
import type { Store } from './store.js';
import { StoreCore } from './store-core.js';
import { decodeJson, type MakeTombstone, stampResourceVersion } from './values.js';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly tombstone?: MakeTombstone;
  /** Compacts by policy; without one only `compact` does. */
  readonly compaction?: CompactionPolicy;
}

/** An empty store in memory. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new StoreCore({
    journal: volatileJournal,
    recovered: { entries: [], revision: 0, compactedRevision: 0 },
    clock: options.clock,
    logger: options.logger ?? silentLogger,
    random: () => 0.5,
    tombstone: options.tombstone ?? stampResourceVersion,
    decode: decodeJson,
    historyBytes: Number.POSITIVE_INFINITY,
    compaction: options.compaction,
  });
}

/** Accepts everything at once. All history is in the core's memory, so nothing is ever read back. */
const volatileJournal: Journal = {
  failure: undefined,
  append: () => Promise.resolve(),
  read: () => Promise.resolve([]),
  trace: () => Promise.resolve([]),
  entriesAt: () => Promise.resolve([]),
  compact: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
