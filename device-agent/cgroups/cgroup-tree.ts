/**
 * Operations on one directory tree of the cgroup file system, alike in v1 and v2: processes, killing,
 * removal. A group that vanishes meanwhile counts as empty and removed.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { hasErrno, orMissing } from '../lib/errno.js';

/** Text of a control file, undefined when the group or the file is not there. */
export async function readControl(group: string, file: string): Promise<string | undefined> {
  try {
    return await orMissing(readFile(join(group, file), 'utf8'));
  } catch (error) {
    // A group removed while the file was open.
    if (hasErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}

/** Number in a control file; undefined when absent, Infinity for 'max'. */
export async function readNumber(group: string, file: string): Promise<number | undefined> {
  const text = (await readControl(group, file))?.trim();
  if (text === undefined || text === '') return undefined;
  return text === 'max' ? Number.POSITIVE_INFINITY : Number(text);
}

/** Value of `key` in a flat keyed file such as memory.stat. */
export function keyedNumber(text: string, key: string): number | undefined {
  for (const line of text.split('\n')) {
    if (line.startsWith(`${key} `)) return Number(line.slice(key.length + 1));
  }
  return undefined;
}

export async function writeControl(group: string, file: string, value: string): Promise<void> {
  await writeFile(join(group, file), value);
}

/** Names of the groups directly below; empty when the group is not there. */
export async function childGroups(group: string): Promise<readonly string[]> {
  const entries = (await orMissing(readdir(group, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Makes the group and those above it; another device may be removing an empty parent at the same time. */
export async function makeGroup(group: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await mkdir(group, { recursive: true });
      return;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT') || attempt >= 10) throw error;
    }
  }
}

/** Process ids in the group and all groups below. */
export async function processesBelow(group: string): Promise<readonly number[]> {
  const own = (await readControl(group, 'cgroup.procs')) ?? '';
  const pids = own.split('\n').filter(Boolean).map(Number);
  for (const child of await childGroups(group)) pids.push(...(await processesBelow(join(group, child))));
  return pids;
}

const KILL_ROUNDS = 100;

/** Sends SIGKILL until the tree is empty (a fork may win a round). Gives up after about two seconds. */
export async function killBelow(group: string, clock: Clock): Promise<number> {
  let signalled = 0;
  for (let round = 0; round < KILL_ROUNDS; round += 1) {
    const pids = await processesBelow(group);
    if (pids.length === 0) return signalled;
    if (round === 0) signalled = pids.length;
    await killTree(group);
    for (const pid of pids) signalProcess(pid, 'SIGKILL');
    await clock.sleep(Math.min(5 + round, 30));
  }
  return signalled;
}

async function killTree(group: string): Promise<void> {
  try {
    await writeFile(join(group, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch (error) {
    // v1 and kernels before 5.14 have no such file; the caller signals each process.
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EOPNOTSUPP', 'EACCES', 'EPERM', 'ENODEV')) throw error;
  }
}

/** Sends a signal; false when there is no such process. Process 0 (another pid namespace) is left alone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | number): boolean {
  if (pid <= 1) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ESRCH')) return false;
    throw error;
  }
}

/** Removes the group and all groups below it. False when a process is still inside. */
export async function removeTree(group: string, clock: Clock): Promise<boolean> {
  for (const child of await childGroups(group)) {
    if (!(await removeTree(join(group, child), clock))) return false;
  }
  // Exiting processes hold their group for a moment after they stop being listed.
  for (let round = 0; round < 20; round += 1) {
    try {
      await rmdir(group);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return true;
      if (!hasErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
      if ((await processesBelow(group)).length > 0) return false;
      await clock.sleep(10);
    }
  }
  return false;
}

/** Removes the groups above `relative` (itself excluded, the root kept) as long as they are empty. */
export async function removeEmptyParents(root: string, relative: string): Promise<void> {
  for (let path = dirname(relative); path !== '.' && path !== '/'; path = dirname(path)) {
    try {
      await rmdir(join(root, path));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) continue;
      // Another device's groups are still below.
      if (hasErrno(error, 'EBUSY', 'ENOTEMPTY', 'EROFS')) return;
      throw error;
    }
  }
}
