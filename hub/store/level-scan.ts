/**
 * Reads a whole log when a store opens and proves it intact: every checksum, no revision missing above the
 * floor, as many records below it as there must be, and every record's link to its key's previous record.
 * What comes back is the state to serve from, or DAMAGED with the first thing that is wrong.
 */
import type { StoredEntry } from './change.js';
import type { RecoveredState } from './committed-state.js';
import { damaged } from './errors.js';
import { LOG_END, LOG_START, logKey, META_FLOOR, META_LAYOUT, parseLogKey } from './keys.js';
import { type Database, diskError, ITERATOR_BYTES } from './level-database.js';
import { decodeRecord, type LogRecord } from './record.js';
import { RevisionChain } from './revision-chain.js';
import { assertLayout } from './store-directory.js';

/** Makes the entry of a record: opens its seal and decodes its value. Throws what is wrong with it. */
export type ToEntry = (record: LogRecord) => StoredEntry;

export interface Floor {
  readonly compacted: number;
  readonly live: number;
}

export interface Scanned extends RecoveredState {
  readonly chain: RevisionChain;
}

/** Writes the records that make a new database a store whose history starts at `floor`. */
export async function initialise(database: Database, layout: number, floor: Floor): Promise<void> {
  await database.batch(
    [
      { type: 'put', key: META_LAYOUT, value: Buffer.from(JSON.stringify({ layout })) },
      { type: 'put', key: META_FLOOR, value: encodeFloor(floor) },
    ],
    { sync: true },
  );
}

export function encodeFloor(floor: Floor): Buffer {
  return Buffer.from(JSON.stringify({ compacted: floor.compacted, live: floor.live }));
}

/** Deletes every record above `revision`, durably. */
export async function voidAbove(database: Database, revision: number): Promise<void> {
  const keys = await database.keys({ gt: logKey(revision), lt: LOG_END }).all();
  if (keys.length === 0) return;
  await database.batch(
    keys.map((key) => ({ type: 'del' as const, key })),
    { sync: true },
  );
}

/** The newest revision in the log; `otherwise` when it is empty. */
export async function newestRevision(database: Database, otherwise: number): Promise<number> {
  const [key] = await database.keys({ gte: LOG_START, lt: LOG_END, reverse: true, limit: 1 }).all();
  return Math.max(otherwise, key === undefined ? 0 : (parseLogKey(key) ?? 0));
}

/** Reads and checks the log in `location`. StoreError DAMAGED, UNKNOWN_LAYOUT or IO. */
export async function scan(database: Database, location: string, toEntry: ToEntry): Promise<Scanned> {
  try {
    return await scanLog(database, location, toEntry);
  } catch (error) {
    throw diskError(location, error);
  }
}

async function scanLog(database: Database, location: string, toEntry: ToEntry): Promise<Scanned> {
  const floor = await readMeta(database, location);
  const chain = new RevisionChain(floor.compacted, floor.live);
  const newest = new Map<string, LogRecord>();
  let below = 0;
  const iterator = database.iterator({ gte: LOG_START, lt: LOG_END, highWaterMarkBytes: ITERATOR_BYTES });
  try {
    for (let step = await iterator.nextv(1000); step.length > 0; step = await iterator.nextv(1000)) {
      for (const [key, data] of step) {
        const record = check(location, key, data);
        if (record.revision <= floor.compacted) below++;
        const problem = misfit(record, newest.get(record.key), chain);
        if (problem !== undefined) throw damaged(location, problem);
        if (record.revision > floor.compacted) chain.push(record.previousRevision, record.type === 'deleted');
        if (record.type === 'deleted') newest.delete(record.key);
        else newest.set(record.key, record);
      }
    }
  } finally {
    await iterator.close();
  }
  if (below !== floor.live) {
    throw damaged(
      location,
      `${below} records at or below revision ${floor.compacted}, there must be ${floor.live}`,
    );
  }
  const entries = [...newest.values()].map((record) => {
    try {
      return toEntry(record);
    } catch (error) {
      throw diskErrorOrDamage(location, record, error);
    }
  });
  return { entries, revision: chain.last, compactedRevision: floor.compacted, chain };
}

/** Why the record cannot follow what was read before it; undefined when it can. */
function misfit(record: LogRecord, before: LogRecord | undefined, chain: RevisionChain): string | undefined {
  const { revision, key, type } = record;
  if (revision <= chain.floor) {
    if (type === 'deleted') return `revision ${revision} is a deletion below the compaction floor`;
    return before === undefined
      ? undefined
      : `revision ${revision} leaves revision ${before.revision} of "${key}"`;
  }
  if (revision !== chain.last + 1) return `revision ${chain.last + 1} is missing`;
  const previous = before?.revision ?? 0;
  if (record.previousRevision !== previous || (previous === 0) !== (type === 'created')) {
    return `revision ${revision} of "${key}" follows revision ${record.previousRevision}, the log has ${previous}`;
  }
  return undefined;
}

function check(location: string, key: string, data: Uint8Array): LogRecord {
  const revision = parseLogKey(key);
  if (revision === undefined) throw damaged(location, `"${key}" is not a log key`);
  try {
    const record = decodeRecord(data);
    if (record.revision === revision) return record;
    throw new RangeError(`the record is of revision ${record.revision}`);
  } catch (cause) {
    throw damaged(location, `record of revision ${revision}: ${(cause as Error).message}`, cause);
  }
}

function diskErrorOrDamage(location: string, record: LogRecord, error: unknown): Error {
  if (error instanceof Error && error.name === 'StoreError') return error;
  return damaged(
    location,
    `the value of "${record.key}" cannot be decoded: ${(error as Error).message}`,
    error,
  );
}

async function readMeta(database: Database, location: string): Promise<Floor> {
  const [layout, floor] = await database.getMany([META_LAYOUT, META_FLOOR]);
  if (layout === undefined || floor === undefined) throw damaged(location, 'its description is missing');
  try {
    assertLayout(location, (JSON.parse(layout.toString()) as { layout?: unknown }).layout);
    const { compacted, live } = JSON.parse(floor.toString()) as Floor;
    if (Number.isSafeInteger(compacted) && Number.isSafeInteger(live)) return { compacted, live };
  } catch (cause) {
    if (cause instanceof SyntaxError) throw damaged(location, 'its description cannot be read', cause);
    throw cause;
  }
  throw damaged(location, 'its compaction floor cannot be read');
}
