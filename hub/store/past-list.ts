/**
 * A list as it was at an earlier revision: the current entries with every later change undone. The first
 * change of a key after the revision tells what the key was then. Recent changes are read from memory, older
 * ones from disk as traces without values; values are fetched for the returned page only, so the memory of
 * a page is its entries plus one small item per key changed since.
 */
import type { StoredEntry } from './change.js';
import { expired } from './errors.js';
import type { EventLog } from './event-log.js';
import type { Journal } from './journal.js';
import type { SortedEntries } from './sorted-entries.js';
import type { ListResult } from './store.js';

interface Source {
  readonly entries: SortedEntries;
  readonly log: EventLog;
  readonly compactedRevision: number;
}

interface PastListOptions {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly limit: number;
  /** Between the source's compacted and current revision. */
  readonly revision: number;
}

/** An entry that is in memory, or the revision of its record on disk. */
type Located = StoredEntry | number;

const TRACE_STEP = 512;

/** Lists at `options.revision`. EXPIRED when compaction overtakes the read. */
export async function listPast(
  source: Source,
  journal: Journal,
  options: PastListOptions,
): Promise<ListResult> {
  const { prefix, after, limit, revision } = options;
  const check = () => {
    if (revision < source.compactedRevision) throw expired(revision, source.compactedRevision);
  };
  // What each changed key was at the revision; undefined: it did not exist.
  const undone = new Map<string, Located | undefined>();
  let next = revision + 1;
  while (next < source.log.first) {
    const last = Math.min(source.log.first - 1, next + TRACE_STEP - 1);
    const traces = await journal.trace(next, last);
    check();
    for (const { key, previousRevision } of traces) {
      if (key.startsWith(prefix) && !undone.has(key)) undone.set(key, previousRevision || undefined);
    }
    next = last + 1;
  }
  // From here to the end of the merge nothing is awaited: log and entries are of one instant.
  for (const change of source.log.since(next - 1)) {
    if (change.key.startsWith(prefix) && !undone.has(change.key)) undone.set(change.key, change.before);
  }
  const { page, remaining } = merge(source.entries, undone, prefix, after, limit);
  const entries = await fetchMissing(journal, page, check);
  return { entries, revision, remaining };
}

function merge(
  current: SortedEntries,
  undone: ReadonlyMap<string, Located | undefined>,
  prefix: string,
  after: string | undefined,
  limit: number,
): { page: Located[]; remaining: number } {
  const restored = [...undone.entries()]
    .filter(([key, was]) => was !== undefined && (after === undefined || key > after))
    .sort(([a], [b]) => (a < b ? -1 : 1)) as Array<[string, Located]>;
  const page: Located[] = [];
  let total = 0;
  const add = (located: Located) => {
    total++;
    if (page.length < limit) page.push(located);
  };
  let at = 0;
  for (const entry of current.range(prefix, after, Number.POSITIVE_INFINITY).entries) {
    for (let item = restored[at]; item !== undefined && item[0] < entry.key; item = restored[at]) {
      add(item[1]);
      at++;
    }
    if (!undone.has(entry.key)) add(entry);
  }
  for (const [, located] of restored.slice(at)) add(located);
  return { page, remaining: total - page.length };
}

async function fetchMissing(journal: Journal, page: Located[], check: () => void): Promise<StoredEntry[]> {
  const revisions = page.filter((located) => typeof located === 'number');
  if (revisions.length === 0) return page as StoredEntry[];
  const fetched = await journal.entriesAt(revisions);
  check();
  const byRevision = new Map(fetched.map((entry) => [entry?.modRevision, entry]));
  return page.map((located) => {
    if (typeof located !== 'number') return located;
    const entry = byRevision.get(located);
    if (entry === undefined) throw new Error(`the record of revision ${located} is not in the log`);
    return entry;
  });
}
