/**
 * The files of one run's log, and where its last lines begin. Rotation keeps older parts beside the log as
 * `<log>.1`, `<log>.2` …, the higher the older, and may happen at any moment: files are told apart by their
 * inode and looked for in the direction in which they are renamed, so that none is missed or read twice. The
 * newest may also go without having been renamed, when conmon starts it anew at its own limit.
 * Looking for the last lines reads from the end, in blocks.
 */
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { orMissing } from '../lib/errno.js';
import { isFullLine, NEWLINE } from './cri-line.js';

const BLOCK_BYTES = 64 * 1024;
/** Names that are looked at: more parts than rotation keeps. */
const MAX_FILES = 32;

/** One open file of a log. */
export interface LogFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly inode: bigint;
  /** Tells this file from any other of the log, also from a later one with its inode. */
  readonly identity: string;
}

/** Opens the existing files of a log, oldest first. Whoever asks closes them. */
export async function openLogFiles(path: string): Promise<readonly LogFile[]> {
  const files: LogFile[] = [];
  try {
    // From the newest to the oldest: a file that is renamed meanwhile is met again, never passed by.
    for (let part = 0; part < MAX_FILES; part += 1) {
      const file = await openLogFile(partPath(path, part));
      if (file === undefined) continue;
      const known = files.find(({ inode }) => inode === file.inode);
      if (known !== undefined) {
        // Met again, it is older than all that were met since.
        files.splice(files.indexOf(known), 1);
        await file[Symbol.asyncDispose]();
      }
      files.unshift(known ?? file);
    }
  } catch (error) {
    await closeAll(files);
    throw error;
  }
  return files;
}

export async function closeAll(files: Iterable<LogFile>): Promise<void> {
  for (const file of files) await file[Symbol.asyncDispose]();
}

/**
 * Opens the file that the log goes on in after the open file `than`; undefined while that is the newest. Of a
 * file that is no longer kept, the oldest that is kept goes on and is not in `older`, the identities of what came
 * before it.
 */
export async function openNewer(
  path: string,
  than: LogFile,
  older: ReadonlySet<string>,
): Promise<LogFile | undefined> {
  for (;;) {
    const found = await findNewer(path, than, older);
    if (found === undefined) return undefined;
    const file = await openLogFile(found.path);
    if (file?.identity === found.identity) return file;
    // Renamed between looking and opening.
    await file?.[Symbol.asyncDispose]();
  }
}

interface FoundFile {
  readonly path: string;
  readonly identity: string;
}

async function findNewer(
  path: string,
  than: LogFile,
  older: ReadonlySet<string>,
): Promise<FoundFile | undefined> {
  const newer: FoundFile[] = [];
  for (let part = 0; part < MAX_FILES; part += 1) {
    const info = await orMissing(stat(partPath(path, part), { bigint: true }));
    if (info === undefined) continue;
    if (info.ino === than.inode) return newer.at(-1);
    newer.push({ path: partPath(path, part), identity: identityOf(info) });
  }
  const known = newer.findIndex(({ identity }) => older.has(identity));
  return newer.slice(0, known < 0 ? newer.length : known).at(-1);
}

async function openLogFile(path: string): Promise<LogFile | undefined> {
  const handle = await orMissing(open(path, 'r'));
  if (handle === undefined) return undefined;
  try {
    const info = await handle.stat({ bigint: true });
    return {
      handle,
      inode: info.ino,
      identity: identityOf(info),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The time of birth is 0 on file systems that have none. */
function identityOf({ ino, birthtimeNs }: Pick<BigIntStats, 'ino' | 'birthtimeNs'>): string {
  return `${ino}-${birthtimeNs}`;
}

function partPath(path: string, part: number): string {
  return part === 0 ? path : `${path}.${part}`;
}

export interface LogPosition {
  /** Index in the list of files. */
  readonly file: number;
  readonly offset: number;
}

/** Where the last `lines` lines of the program begin; the very start when there are not that many. */
export async function tailPosition(files: readonly LogFile[], lines: number): Promise<LogPosition> {
  let wanted = lines;
  for (const [index, { handle }] of [...files.entries()].reverse()) {
    const { size } = await handle.stat();
    if (wanted === 0) return { file: index, offset: size };
    const found = await tailOffset(handle, size, wanted);
    if (found.offset > 0 || found.missing === 0) return { file: index, offset: found.offset };
    wanted = found.missing;
  }
  return { file: 0, offset: 0 };
}

/** Offset at which the last `wanted` full lines begin, and how many the file did not have. */
async function tailOffset(
  file: FileHandle,
  size: number,
  wanted: number,
): Promise<{ offset: number; missing: number }> {
  let missing = wanted;
  let end = size;
  let rest: Buffer = Buffer.alloc(0);
  let lineStart = size;
  while (end > 0) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = Buffer.alloc(end - start);
    await file.read(block, 0, block.length, start);
    const text = Buffer.concat([block, rest]);
    let lineEnd = text.length;
    for (;;) {
      const newline = text.lastIndexOf(NEWLINE, lineEnd - 1);
      if (newline < 0 || lineEnd === 0) break;
      const line = text.subarray(newline + 1, lineEnd);
      if (isFullLine(line)) {
        // The pieces before a full line belong to it, so a line is only left behind at the next full one.
        if (missing === 0) return { offset: lineStart, missing: 0 };
        missing -= 1;
      }
      if (line.length > 0) lineStart = start + newline + 1;
      lineEnd = newline;
    }
    rest = Buffer.from(text.subarray(0, lineEnd));
    end = start;
  }
  if (isFullLine(rest)) {
    if (missing === 0) return { offset: lineStart, missing: 0 };
    missing -= 1;
  }
  return { offset: 0, missing };
}
