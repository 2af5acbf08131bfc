/**
 * Reads a container's log as `kubectl logs` asks for it: pieces joined to lines, tail, since, timestamps,
 * byte limit, and following through rotation and, as long as more is to come, from run to run. Reads one
 * block ahead at most; whoever reads slowly slows this down and nothing else.
 */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import { type LogPiece, NEWLINE, parseCriLine } from './cri-line.js';
import { closeAll, type LogFile, openLogFiles, openNewer, tailPosition } from './log-files.js';

const BLOCK_BYTES = 64 * 1024;
/** A line longer than this without a newline is not a log line. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Following looks again this often even when nothing says that the file changed. */
const FOLLOW_INTERVAL_MS = 2_000;

export interface LogOptions {
  readonly path: string;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Milliseconds since the epoch; only lines at or after it. */
  readonly since?: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asked when the end is reached while following: where the log goes on, if anywhere. */
  readonly next?: () => Promise<'wait' | 'end' | { readonly path: string }>;
}

export interface LogChunk {
  readonly stream: LogPiece['stream'];
  readonly data: Buffer;
}

/** Ends at the end of the log (or of the run, when following), at the byte limit, or when aborted. */
export async function* readLog(options: LogOptions): AsyncGenerator<LogChunk, void, undefined> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let continues = { stdout: false, stderr: false };
  for await (const piece of pieces(options)) {
    if (options.signal.aborted) return;
    if (options.since !== undefined && Date.parse(piece.time) < options.since) continue;
    const stamp = options.timestamps && !continues[piece.stream] ? `${piece.time} ` : '';
    continues = { ...continues, [piece.stream]: piece.partial };
    const data = Buffer.concat([
      Buffer.from(stamp),
      piece.content,
      ...(piece.partial ? [] : [Buffer.from([NEWLINE])]),
    ]);
    if (data.length >= left) {
      yield { stream: piece.stream, data: data.subarray(0, left) };
      return;
    }
    left -= data.length;
    if (data.length > 0) yield { stream: piece.stream, data };
  }
}

async function* pieces(options: LogOptions): AsyncGenerator<LogPiece, void, undefined> {
  let { path } = options;
  let { tailLines } = options;
  for (;;) {
    const end = yield* runPieces(path, tailLines, options);
    if (end === 'end') return;
    path = end.path;
    tailLines = undefined;
  }
}

/** The log of one run, from file to file as rotation has cut it and, when following, goes on cutting it. */
async function* runPieces(
  path: string,
  tailLines: number | undefined,
  options: LogOptions,
): AsyncGenerator<LogPiece, 'end' | { readonly path: string }, undefined> {
  const { follow, signal } = options;
  using changes = follow ? new Changes(path, options.clock) : undefined;
  /** What is to be read after the file that is being read, oldest first. */
  let waiting: LogFile[] = [];
  let reader: LineReader | undefined;
  const older = new Set<string>();
  let announced: 'end' | { readonly path: string } | undefined = follow ? undefined : 'end';
  try {
    ({ reader, waiting } = await openLog(path, tailLines, older));
    for (;;) {
      if (signal.aborted) return 'end';
      const lines = await reader?.read();
      for (const line of lines ?? []) {
        const piece = parseCriLine(line);
        if (piece !== undefined) yield piece;
      }
      if (lines !== undefined) continue;
      const after = waiting.shift();
      if (after !== undefined) {
        if (reader !== undefined) older.add(reader.file.identity);
        await reader?.file[Symbol.asyncDispose]();
        reader = new LineReader(after, 0);
        continue;
      }
      if (follow && reader !== undefined) {
        // A newer file is there only when nothing is written to this one any more: it is read to its end first.
        const newer = await openNewer(path, reader.file, older);
        if (newer !== undefined) {
          waiting.push(newer);
          continue;
        }
      } else if (follow) {
        ({ reader, waiting } = await openLog(path, undefined, older));
        if (reader !== undefined) continue;
      }
      // Only now: what was written before the end was announced has been read, in whatever file it is.
      if (announced !== undefined) return announced;
      const next = (await options.next?.()) ?? 'wait';
      if (next === 'wait') await changes?.wait(signal);
      else announced = next;
    }
  } finally {
    await reader?.file[Symbol.asyncDispose]();
    await closeAll(waiting);
  }
}

interface OpenedLog {
  /** At the oldest line that is asked for; undefined as long as there is no log. */
  readonly reader: LineReader | undefined;
  /** The files after it, oldest first: without following they are what is read, however fast the log is written. */
  readonly waiting: LogFile[];
}

/** Adds the identities of the files that are left out to `older`. */
async function openLog(path: string, tailLines: number | undefined, older: Set<string>): Promise<OpenedLog> {
  const files = await openLogFiles(path);
  try {
    const start = tailLines === undefined ? { file: 0, offset: 0 } : await tailPosition(files, tailLines);
    const leftOut = files.slice(0, start.file);
    for (const { identity } of leftOut) older.add(identity);
    await closeAll(leftOut);
    const [first, ...waiting] = files.slice(start.file);
    return { reader: first && new LineReader(first, start.offset), waiting };
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

/** Complete lines of an open file from an offset on; a line that is still being written waits. */
class LineReader {
  readonly file: LogFile;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #offset: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: LogFile, offset: number) {
    this.file = file;
    this.#offset = offset;
  }

  /** The lines of the next block, perhaps none; undefined at the end of the file. */
  async read(): Promise<readonly Buffer[] | undefined> {
    const { bytesRead } = await this.file.handle.read(this.#block, 0, BLOCK_BYTES, this.#offset);
    if (bytesRead === 0) {
      const { size } = await this.file.handle.stat();
      if (size >= this.#offset) return undefined;
      // Cut off in place: what follows is new.
      this.#offset = 0;
      this.#rest = Buffer.alloc(0);
      return [];
    }
    this.#offset += bytesRead;
    const text = Buffer.concat([this.#rest, this.#block.subarray(0, bytesRead)]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, start)) {
      lines.push(text.subarray(start, end));
      start = end + 1;
    }
    const rest = text.subarray(start);
    this.#rest = rest.length > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(rest);
    return lines;
  }
}

/** Waits until something in the log's directory changes; a slow timer stands in where nothing is told. */
class Changes implements Disposable {
  readonly #clock: Clock;
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;
  #onAbort: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, () => this.#notify());
      // A watcher that breaks leaves the timer.
      this.#watcher.on('error', () => this.#notify());
    } catch {
      // No directory yet, or no inotify watches left: the timer alone finds the changes.
      this.#watcher = undefined;
    }
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#timer = this.#clock.setTimer(FOLLOW_INTERVAL_MS, resolve);
        this.#onAbort = resolve;
        signal.addEventListener('abort', this.#onAbort, { once: true });
      });
      if (this.#onAbort !== undefined) signal.removeEventListener('abort', this.#onAbort);
      this.#timer?.cancel();
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#timer?.cancel();
  }
}
