/**
 * Keeps the cache of payloads small: of the finished ones the few that were used last, and nothing of runs that were
 * killed. What is younger than a day may be somebody's who is at work, and stays.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** For several releases of Debian, and the version before. */
const KEPT_PAYLOADS = 4;
const ABANDONED_MS = 24 * 3_600_000;
const FINISHED = /^payload-.*\.tar\.gz$/;
/** Directories and files that a run makes for itself, in the cache and in its directories of payloads and images. */
const SCRATCH = /^(?:(?:node|add-on)-[A-Za-z0-9]{6}|build-[A-Za-z0-9]{6}|.*\.apt|.*\.partial)$/;

/** `used`: name of the payload that is used now; it stays whatever its age. */
export async function prunePayloads(cache: string, used: string, now: number): Promise<void> {
  const directory = join(cache, 'payload');
  const isOld = ({ modified }: Entry) => now - modified > ABANDONED_MS;
  const places = [cache, directory, join(cache, 'preload')];
  const found = (await Promise.all(places.map(entriesOf))).flat();
  const scratch = found.filter((entry) => SCRATCH.test(entry.name) && isOld(entry));
  const finished = found
    .filter(({ name, parent }) => parent === directory && FINISHED.test(name) && name !== used)
    .sort((a, b) => b.modified - a.modified);
  for (const { parent, name } of [...scratch, ...finished.slice(KEPT_PAYLOADS - 1).filter(isOld)])
    await rm(join(parent, name), { recursive: true, force: true });
}

interface Entry {
  readonly parent: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

async function entriesOf(parent: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const names = await readdir(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  for (const name of names) {
    // Another run may have removed it.
    const found = await stat(join(parent, name)).catch(() => undefined);
    if (found !== undefined) entries.push({ parent, name, modified: found.mtimeMs });
  }
  return entries;
}
