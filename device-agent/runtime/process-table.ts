/** Questions to /proc about processes that may end at any moment. */
import { readdir, readFile } from 'node:fs/promises';
import { hasErrno } from '../lib/errno.js';

async function readProc(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

/** Whether the process lives and belongs to this group. A number that was given to another process does not. */
export async function isInCgroup(pid: number, cgroup: string): Promise<boolean> {
  const groups = await readProc(pid, 'cgroup');
  if (!groups?.includes(cgroup)) return false;
  const state = await processState(pid);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Whether the process lives and was started with `argument` on its command line. */
export async function hasArgument(pid: number, argument: string): Promise<boolean> {
  const line = await readProc(pid, 'cmdline');
  return line?.split('\0').includes(argument) ?? false;
}

/** All processes that were started with `argument` on their command line. */
export async function processesWithArgument(argument: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const pid of pids) if (await hasArgument(pid, argument)) found.push(pid);
  return found;
}

/** Letter of the process state ('R', 'S', 'Z'); undefined when there is no such process. */
export async function processState(pid: number): Promise<string | undefined> {
  return (await statFields(pid))?.[0];
}

/** When the process started, in the kernel's ticks; with its number it names one process for ever. Undefined when it is dead. */
export async function processStart(pid: number): Promise<string | undefined> {
  const fields = await statFields(pid);
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Session id; undefined when there is no such process. */
export async function processSession(pid: number): Promise<number | undefined> {
  const field = (await statFields(pid))?.[3];
  return field === undefined ? undefined : Number(field);
}

/** Parent's process id; undefined when there is no such process. */
export async function processParent(pid: number): Promise<number | undefined> {
  const field = (await statFields(pid))?.[1];
  return field === undefined ? undefined : Number(field);
}

/** Fields of /proc/<pid>/stat from the state on; the name before it may hold any character. */
async function statFields(pid: number): Promise<readonly string[] | undefined> {
  const text = await readProc(pid, 'stat');
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Names of the capabilities' masks in /proc/self/status: 'CapBnd', 'CapEff'. */
export async function capabilityMask(name: 'CapBnd' | 'CapEff'): Promise<string> {
  const status = (await readProc(process.pid, 'status')) ?? '';
  return new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
}
