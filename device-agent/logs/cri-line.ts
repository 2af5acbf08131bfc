/**
 * The CRI log format, one line per piece: `<RFC 3339 time> <stdout|stderr> <P|F> <content>`. `P` is a part of
 * a longer line, `F` its end. Content is bytes; nothing here decodes it.
 */

export interface LogPiece {
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** Whether more of the same line follows. */
  readonly partial: boolean;
  readonly content: Buffer;
}

export const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Parses a line without its newline; undefined for one that is not in the format (cut off by a power cut). */
export function parseCriLine(line: Buffer): LogPiece | undefined {
  const afterTime = line.indexOf(SPACE);
  const afterStream = afterTime < 0 ? -1 : line.indexOf(SPACE, afterTime + 1);
  if (afterStream < 0) return undefined;
  const afterTag = line.indexOf(SPACE, afterStream + 1);
  const tag = line.toString('latin1', afterStream + 1, afterTag < 0 ? line.length : afterTag);
  const stream = line.toString('latin1', afterTime + 1, afterStream);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const [kind] = tag.split(':');
  if (kind !== 'P' && kind !== 'F') return undefined;
  const content = afterTag < 0 ? Buffer.alloc(0) : line.subarray(afterTag + 1);
  return { time: line.toString('latin1', 0, afterTime), stream, partial: kind === 'P', content };
}

/** Whether the line is the end of a line of the program, without looking at its content. */
export function isFullLine(line: Buffer): boolean {
  const afterTime = line.indexOf(SPACE);
  const afterStream = line.indexOf(SPACE, afterTime + 1);
  return afterTime > 0 && afterStream > 0 && line[afterStream + 1] === 0x46;
}
