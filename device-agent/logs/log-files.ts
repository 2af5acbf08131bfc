/**
 * The files of one run's log, and where its last lines begin. Rotation keeps older parts beside the log as
 * `<log>.1`, `<log>.2` …, the higher the older. Looking for the last lines reads from the end, in blocks.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { orMissing } from '../lib/errno.js';
import { isFullLine, NEWLINE } from './cri-line.js';

const BLOCK_BYTES = 64 * 1024;

/** Existing files of a log, oldest first. */
export async function logFiles(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const found: Array<readonly [number, string]> = [];
  for (const file of (await orMissing(readdir(dirname(path)))) ?? []) {
    if (file === name) found.push([0, file]);
    else if (file.startsWith(`${name}.`)) {
      const part = Number(file.slice(name.length + 1));
      if (Number.isInteger(part) && part > 0) found.push([part, file]);
    }
  }
  return found.sort((a, b) => b[0] - a[0]).map(([, file]) => join(dirname(path), file));
}

export interface LogPosition {
  /** Index in the list of files. */
  readonly file: number;
  readonly offset: number;
}

/** Where the last `lines` lines of the program begin; the very start when there are not that many. */
export async function tailPosition(files: readonly string[], lines: number): Promise<LogPosition> {
  let wanted = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const path = files[index];
    const file = path === undefined ? undefined : await orMissing(open(path, 'r'));
    if (file === undefined) continue;
    try {
      const { size } = await file.stat();
      if (wanted === 0) return { file: index, offset: size };
      const found = await tailOffset(file, size, wanted);
      if (found.offset > 0 || found.missing === 0) return { file: index, offset: found.offset };
      wanted = found.missing;
    } finally {
      await file.close();
    }
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
