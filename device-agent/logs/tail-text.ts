/** The end of a log as text, within bounds of lines and bytes: what stands in for a termination message. */
import { open } from 'node:fs/promises';
import { orMissing } from '../lib/errno.js';
import { NEWLINE, parseCriLine } from './cri-line.js';

/** Bytes of log format per byte of content that the search allows for. */
const OVERHEAD = 8;
const MIN_READ_BYTES = 16 * 1024;

/** At most the last `maxLines` lines and `maxBytes` bytes; '' when there is no log. */
export async function tailText(path: string, maxLines: number, maxBytes: number): Promise<string> {
  const file = await orMissing(open(path, 'r'));
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, Math.max(MIN_READ_BYTES, maxBytes * OVERHEAD));
    const block = Buffer.alloc(length);
    await file.read(block, 0, length, size - length);
    // A block that does not begin at the start of the file begins inside a line, which is left out.
    const text = length === size ? block : block.subarray(block.indexOf(NEWLINE) + 1);
    return lastOf(joinLines(text), maxLines, maxBytes);
  } finally {
    await file.close();
  }
}

function joinLines(text: Buffer): string[] {
  const lines: string[] = [];
  let open = '';
  let start = 0;
  for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, start)) {
    const piece = parseCriLine(text.subarray(start, end));
    start = end + 1;
    if (piece === undefined) continue;
    open += piece.content.toString('utf8');
    if (piece.partial) continue;
    lines.push(open);
    open = '';
  }
  if (open !== '') lines.push(open);
  return lines;
}

function lastOf(lines: readonly string[], maxLines: number, maxBytes: number): string {
  const text = lines
    .slice(-maxLines)
    .map((line) => `${line}\n`)
    .join('');
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes ? text : bytes.subarray(bytes.length - maxBytes).toString('utf8');
}
