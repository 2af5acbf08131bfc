/**
 * The key layout of the LevelDB directory, layout version 1.
 *
 *     log/<revision>   one record per write: the change, the object's bytes and the revision, see record.ts
 *     meta/floor       the compaction floor: { compacted, live }
 *     meta/layout      { layout: 1 }
 *
 * `<revision>` is 14 lower-case hexadecimal digits with leading zeros. 16^14 > 2^53, so every safe integer
 * fits. Order proof: LevelDB compares keys bytewise. Two log keys share the first four bytes and have equal
 * length, so the first differing digit decides; hexadecimal digits ascend in ASCII ('0'–'9' before 'a'–'f'),
 * and the more significant digit stands first, so the byte order of the keys is the numeric order of the
 * revisions. A range of revisions is therefore one range of keys, and a scan of `log/` is the history.
 *
 * There is no second copy of current values: the newest record of a key is its current value, and the index
 * over keys is rebuilt in memory when the store opens. Hence object, event and revision cannot disagree.
 *
 * Compaction to a floor R keeps, of the records at or below R, exactly the newest of each key that is alive
 * at R, and everything above R. `live` counts the kept ones, so that a lost record is noticed at the next
 * open; above R the revisions have no gap, for the same reason.
 */

export const LAYOUT_VERSION = 1;

export const META_LAYOUT = 'meta/layout';
export const META_FLOOR = 'meta/floor';

const LOG_PREFIX = 'log/';
const DIGITS = 14;

/** First key of the log, and the first key after it ('0' follows '/' in ASCII). */
export const LOG_START = LOG_PREFIX;
export const LOG_END = 'log0';

/** The log key of a revision. RangeError unless it is a non-negative safe integer. */
export function logKey(revision: number): string {
  if (!Number.isSafeInteger(revision) || revision < 0) {
    throw new RangeError(`a revision must be a non-negative safe integer, not ${revision}`);
  }
  return LOG_PREFIX + revision.toString(16).padStart(DIGITS, '0');
}

const LOG_KEY = /^log\/[0-9a-f]{14}$/;

/** The revision of a log key; undefined when the key is not one. */
export function parseLogKey(key: string): number | undefined {
  if (!LOG_KEY.test(key)) return undefined;
  const revision = Number.parseInt(key.slice(LOG_PREFIX.length), 16);
  return Number.isSafeInteger(revision) ? revision : undefined;
}
