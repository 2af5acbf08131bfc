/**
 * Runs a program to its end with bounded output and bounded time. Arguments are never read by a shell.
 * A program that fails rejects with CommandError, which carries what it said.
 */
import { spawn } from 'node:child_process';
import { hasErrno } from './errno.js';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Milliseconds until the program is killed; 60,000 unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class CommandError extends Error {
  override readonly name = 'CommandError';
  /** Exit status; undefined when the program did not start or was killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    message: string,
    exitCode: number | undefined,
    stdout: string,
    stderr: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Standard output of the program as text. At most 4 MiB of each output are kept. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    // Its timer keeps no process alive, unlike the one that spawn's own `timeout` leaves behind a failed start.
    const deadline = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const onDeadline = () => void child.kill('SIGKILL');
    deadline.addEventListener('abort', onDeadline, { once: true });
    child.once('close', () => deadline.removeEventListener('abort', onDeadline));
    const shown = `${program} ${args.slice(0, 6).join(' ')}`;
    child.on('error', (error) => {
      const missing = hasErrno(error, 'ENOENT');
      const message = missing ? `${program} is not installed` : `${shown}: ${error.message}`;
      reject(new CommandError(message, undefined, stdout(), stderr(), error));
    });
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(stdout());
        return;
      }
      const why = signal ? `killed by ${signal}` : `exit status ${code}`;
      const said = (stderr().trim() || stdout().trim()).slice(0, 2000);
      reject(new CommandError(`${shown}: ${why}: ${said}`, code ?? undefined, stdout(), stderr()));
    });
    // A program that ends without reading its input closes the pipe; its exit status tells what happened.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk.subarray(0, MAX_OUTPUT_BYTES - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
