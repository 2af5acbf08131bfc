/**
 * One run at a time for a target: a second one would mix two cards into one, or withdraw the claim of the first. The
 * lock is a file with the holder's process id, made whole by a link; that of a process which is gone is taken over.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, realpath, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isProcessAlive } from '#firmware-profiles/lib/process-alive.js';
import { readFileIfPresent } from '../../lib/files.js';
import { CommandError } from '../command.js';

/** Each one is a lock that somebody else took away at the same moment. */
const MAX_ATTEMPTS = 8;

/** `directory`: where runs on this machine keep their locks. Rejects with a CommandError that names the holder. */
export async function lockTarget(directory: string, target: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = createHash('sha256').update(await realPathOf(target));
  const file = join(directory, `${key.digest('hex').slice(0, 32)}.lock`);
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, `${process.pid}`, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (await succeeds(link(own, file), 'EEXIST'))
        return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
      const holder = await readFileIfPresent(file);
      if (holder === undefined) continue;
      if (isProcessAlive(Number(holder))) throw inUse(target, holder, file);
      await takeAway(file, holder);
    }
  } finally {
    await rm(own, { force: true });
  }
  throw inUse(target, 'unknown', file);
}

function inUse(target: string, holder: string, file: string): CommandError {
  return new CommandError(
    `${target} is being written by another covey flash (process ${holder}): wait until it has ended; if that process is something else, remove ${file}`,
  );
}

/**
 * One process at a time: between looking whose the lock is and removing it nobody else may do the same. One that dies
 * right then leaves the lock to a person for a day, whom the refusal tells which file to remove.
 */
async function takeAway(file: string, holder: string): Promise<void> {
  const turn = `${file}.turn`;
  if (!(await succeeds(mkdir(turn), 'EEXIST'))) return;
  try {
    if ((await readFileIfPresent(file)) === holder) await rm(file, { force: true });
  } finally {
    await rmdir(turn);
  }
}

async function succeeds(work: Promise<unknown>, expected: string): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== expected) throw error;
    return false;
  }
}

/** The same for every name of a target, be it there already or not. */
async function realPathOf(path: string): Promise<string> {
  const absolute = resolve(path);
  return realpath(absolute).catch(async () => {
    const directory = dirname(absolute);
    return join(await realpath(directory).catch(() => directory), basename(absolute));
  });
}
