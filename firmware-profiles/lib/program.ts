/**
 * Runs programs without a shell, with bounded output and in bounded time. Each has a process group of its own: Ctrl-C
 * is for whoever waits for the program, and what gives it up ends all that it started as well. One that is not
 * installed is a CardError with the package that brings it; one that fails rejects with ProgramError, which names the
 * program and its arguments and has the last lines that it said; one that was given up rejects with the signal's reason.
 * Arguments hold no secrets: every process of the machine can read them.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { CardError } from '../card-error.js';
import { notInstalled } from './program-packages.js';

export const DEFAULT_TIMEOUT_MS = 15 * 60_000;
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;
/** The end of standard error is kept: that is where the reason stands. */
const KEPT_STDERR_BYTES = 2 ** 16;
const TOLD_LINES = 12;
const TOLD_LINE_LENGTH = 400;
const TOLD_WORD_LENGTH = 60;
const TOLD_WORDS = 12;

/** Where file system tools are that a user's PATH may lack; Homebrew keeps e2fsprogs out of it. */
const MORE_PATHS = [
  '/usr/sbin',
  '/sbin',
  '/opt/homebrew/opt/e2fsprogs/sbin',
  '/usr/local/opt/e2fsprogs/sbin',
];

export interface StartOptions {
  readonly cwd?: string | undefined;
  /** Added to this process's own. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Without one it takes as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Every line that it writes to its standard error. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** What to say when it is not installed, where naming its package would not help. */
  readonly missing?: string | undefined;
  /** The command as errors show it, where the program only starts another one. */
  readonly shownAs?: readonly string[] | undefined;
}

export interface ProgramOptions extends StartOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array | undefined;
}

export interface ProgramOutput {
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class ProgramError extends CardError {
  override readonly name = 'ProgramError';
  readonly stderr: string;

  constructor(message: string, stderr: string) {
    super(message);
    this.stderr = stderr;
  }
}

/** Resolves when the program ends with status 0. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input = '', timeoutMs = DEFAULT_TIMEOUT_MS, ...options }: ProgramOptions = {},
): Promise<ProgramOutput> {
  const running = startProgram(program, args, { ...options, timeoutMs });
  running.stdin.end(input);
  return outputOf(running);
}

/** Its standard output as text. */
export async function programText(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  return (await runProgram(program, args, options)).stdout.toString('utf8');
}

export interface RunningProgram {
  /** The command as errors show it. */
  readonly shown: string;
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves with its standard error when it ended well, rejects otherwise. */
  readonly ended: Promise<string>;
  /** Ends it and all that it started. `ended` rejects with the reason, if one is given. */
  kill(reason?: unknown): void;
}

/** Whoever starts it reads its standard output to the end. */
export function startProgram(
  program: string,
  args: readonly string[],
  options: StartOptions = {},
): RunningProgram {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: programEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  // A program that ends without reading its input closes the pipe; its exit status tells what happened.
  child.stdin.on('error', () => undefined);
  const reasons: unknown[] = [];
  let open = true;
  child.once('close', () => {
    open = false;
  });
  const kill = (reason?: unknown) => {
    if (reason !== undefined) reasons.push(reason);
    if (open) killGroup(child);
  };
  const shown = commandLine(options.shownAs ?? [program, ...args]);
  const ended = endOf(child, shown, options, { kill, reasons }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CardError(options.missing ?? notInstalled(program), { cause: error });
  });
  // Whoever reads the output looks at it afterwards; a failure before that is not unhandled.
  ended.catch(() => undefined);
  return { shown, pid: child.pid, stdin: child.stdin, stdout: child.stdout, ended, kill };
}

/** Collects what a program writes until it ends; one that writes too much is ended. */
export async function outputOf({ shown, stdout, ended, kill }: RunningProgram): Promise<ProgramOutput> {
  const chunks: Buffer[] = [];
  let size = 0;
  stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else kill(new CardError(`${shown} wrote more than ${MAX_OUTPUT_BYTES} bytes`));
  });
  const stderr = await ended;
  return { stdout: Buffer.concat(chunks), stderr };
}

/** An environment in which programs speak English and find their file system tools. */
export function programEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const path = [process.env['PATH'] ?? '', ...MORE_PATHS].join(delimiter);
  return { ...process.env, LC_ALL: 'C', TZ: 'UTC', PATH: path, ...more };
}

async function endOf(
  child: ChildProcessWithoutNullStreams,
  shown: string,
  { signal, timeoutMs, onLine }: StartOptions,
  { kill, reasons }: { readonly kill: (reason: unknown) => void; readonly reasons: readonly unknown[] },
): Promise<string> {
  const stderr = keepEnd(child.stderr);
  if (onLine !== undefined) createInterface({ input: child.stderr }).on('line', onLine);
  const onAbort = () => kill(signal?.reason);
  const onTimeout = (limit: number) =>
    kill(new ProgramError(`${shown} took longer than ${limit / 1000} s${lastLines(stderr())}`, stderr()));
  signal?.addEventListener('abort', onAbort);
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs, timeoutMs);
  try {
    const [code, by] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (reasons.length > 0) throw reasons[0];
    const said = stderr();
    if (code === 0) return said;
    const how = by === null ? `exit status ${code}` : by;
    throw new ProgramError(`${shown} failed (${how})${lastLines(said)}`, said);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function killGroup({ pid }: ChildProcessWithoutNullStreams): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself meanwhile; macOS says so with EPERM.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function keepEnd(stream: Readable): () => string {
  let kept: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > 2 * KEPT_STDERR_BYTES) kept = kept.subarray(-KEPT_STDERR_BYTES);
  });
  return () => kept.subarray(-KEPT_STDERR_BYTES).toString('utf8');
}

/** For behind "… failed": one line stands on the same line, several stand below. */
function lastLines(stderr: string): string {
  const lines = stderr
    .trim()
    .split('\n')
    .slice(-TOLD_LINES)
    .map((line) => withoutPasswords(line.slice(0, TOLD_LINE_LENGTH)));
  if (lines.length > 1) return `:\n${lines.join('\n')}`;
  return lines[0] === '' ? '' : `: ${lines[0]}`;
}

/** A script among the words is cut; what is left tells one call from another. */
function commandLine(words: readonly string[]): string {
  const shown = words.slice(0, TOLD_WORDS).map((word) => {
    const flat = withoutPasswords(word).replace(/\s+/g, ' ');
    return flat.length > TOLD_WORD_LENGTH ? `${flat.slice(0, TOLD_WORD_LENGTH)}…` : flat;
  });
  return [...shown, ...(words.length > TOLD_WORDS ? ['…'] : [])].join(' ');
}

/** A mirror or registry may be named with a password in its address. */
function withoutPasswords(text: string): string {
  return text.replace(/(:\/\/)[^/@\s]+@/g, '$1***@');
}
