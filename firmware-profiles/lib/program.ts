/**
 * Runs the system programs that read and write images: to their end, without a shell, with bounded output and a time
 * limit. One that is not installed is a CardError that says which package brings it on Debian and with Homebrew;
 * one that fails rejects with ProgramError, which carries what it said.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { CardError } from '../card-error.js';

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const MAX_OUTPUT_BYTES = 16 * 2 ** 20;

/** Program → its package on Debian and with Homebrew. */
const PACKAGES: Readonly<Record<string, readonly [debian: string, homebrew: string]>> = {
  xz: ['xz-utils', 'xz'],
  zstd: ['zstd', 'zstd'],
  mcopy: ['mtools', 'mtools'],
  mdir: ['mtools', 'mtools'],
  mmd: ['mtools', 'mtools'],
  mdel: ['mtools', 'mtools'],
  mtype: ['mtools', 'mtools'],
  mlabel: ['mtools', 'mtools'],
  debugfs: ['e2fsprogs', 'e2fsprogs'],
  skopeo: ['skopeo', 'skopeo'],
};

/** Where file system tools are that a user's PATH may lack; Homebrew keeps e2fsprogs out of it. */
const MORE_PATHS = [
  '/usr/sbin',
  '/sbin',
  '/opt/homebrew/opt/e2fsprogs/sbin',
  '/usr/local/opt/e2fsprogs/sbin',
];

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgramOutput {
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly stderr: string;

  constructor(message: string, stderr: string) {
    super(message);
    this.stderr = stderr;
  }
}

/** Resolves when the program ends with status 0. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: programEnvironment(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      // Ctrl-C is for whoever waits for it: it decides what is stopped, and when.
      detached: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const deadline = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const onDeadline = () => void child.kill('SIGKILL');
    deadline.addEventListener('abort', onDeadline, { once: true });
    child.on('error', (error) => reject(startError(program, error)));
    child.on('close', (code, signal) => {
      deadline.removeEventListener('abort', onDeadline);
      const said = stderr().toString('utf8');
      if (code === 0) resolve({ stdout: stdout(), stderr: said });
      else reject(new ProgramError(`${program}: ${endOf(code, signal, said)}`, said));
    });
    // A program that ends without reading its input closes the pipe; its exit status tells what happened.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** A child process that filters standard input to standard output. */
export interface Filter {
  readonly input: NodeJS.WritableStream;
  readonly output: AsyncIterable<Buffer>;
  /** Resolves when it ended well, rejects otherwise. To be awaited after the output's end. */
  readonly ended: Promise<void>;
  kill(): void;
}

export function startFilter(program: string, args: readonly string[]): Filter {
  const child = spawn(program, args, {
    env: programEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  child.stdin.on('error', () => undefined);
  const ended = endOfFilter(program, child, collect(child.stderr));
  // Looked at after the output has ended; a failure before that is not unhandled.
  ended.catch(() => undefined);
  return { input: child.stdin, output: child.stdout, ended, kill: () => void child.kill('SIGKILL') };
}

/** An environment in which programs speak English and find their file system tools. */
export function programEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const path = [process.env['PATH'] ?? '', ...MORE_PATHS].join(delimiter);
  return { ...process.env, LC_ALL: 'C', TZ: 'UTC', PATH: path, ...more };
}

function endOfFilter(program: string, child: ChildProcess, stderr: () => Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(startError(program, error)));
    child.on('close', (code, signal) => {
      const said = stderr().toString('utf8');
      if (code === 0) resolve();
      else reject(new ProgramError(`${program}: ${endOf(code, signal, said)}`, said));
    });
  });
}

function startError(program: string, error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOENT') return error;
  const [debian, homebrew] = PACKAGES[program] ?? [program, program];
  return new CardError(
    `${program} is needed and not installed: "apt install ${debian}", or "brew install ${homebrew}" on macOS`,
  );
}

function endOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const said = stderr.trim().slice(-1000);
  const how = signal === null ? `exit status ${code}` : `killed by ${signal}`;
  return said === '' ? how : said.replaceAll('\n', '; ');
}

function collect(stream: NodeJS.ReadableStream): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk.subarray(0, MAX_OUTPUT_BYTES - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks);
}
