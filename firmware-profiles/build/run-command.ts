/**
 * Runs one program of the build: bounded in time and in what is kept of its output, ended when the build is given up.
 * A failure names the program and what it said last.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { programEnvironment } from '../lib/program.js';
import { BuildError } from './build-error.js';

export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly input?: string | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly directory?: string | undefined;
  /** Every line that it writes to its standard error. */
  readonly onLine?: ((line: string) => void) | undefined;
}

const TIMEOUT_MS = 5 * 60_000;
const KEPT_LINES = 12;
const MAX_LINE = 400;
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;
/** Resolves to standard output. Throws BuildError, or the signal's reason. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const spawned: SpawnOptions = {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: programEnvironment(options.environment),
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  };
  options.signal?.throwIfAborted();
  const child = spawn(command, [...args], spawned);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  return finished(child, command, options);
}

/** Waits for a process that was started with its output piped; `kill` ends it and what it started. */
export async function finished(
  child: ChildProcess,
  name: string,
  options: CommandOptions,
  kill: () => void = () => child.kill('SIGKILL'),
): Promise<string> {
  const { signal, timeoutMs = TIMEOUT_MS, onLine } = options;
  const last: string[] = [];
  const output: Buffer[] = [];
  let outputBytes = 0;
  let timedOut = false;
  const stop = () => kill();
  const timer = setTimeout(() => {
    timedOut = true;
    stop();
  }, timeoutMs);
  signal?.addEventListener('abort', stop);
  try {
    child.stdout?.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes <= MAX_OUTPUT_BYTES) output.push(chunk);
    });
    if (child.stderr !== null)
      createInterface({ input: child.stderr }).on('line', (line) => {
        last.push(line.slice(0, MAX_LINE));
        if (last.length > KEPT_LINES) last.shift();
        onLine?.(line);
      });
    const [code] = (await once(child, 'close')) as [number | null];
    signal?.throwIfAborted();
    const said = last.length === 0 ? '' : `:\n${last.join('\n')}`;
    if (timedOut) throw new BuildError(`${name} took longer than ${timeoutMs / 1000} s${said}`);
    if (code !== 0) throw new BuildError(`${name} failed (${code ?? 'killed'})${said}`);
    if (outputBytes > MAX_OUTPUT_BYTES)
      throw new BuildError(`${name} wrote more than ${MAX_OUTPUT_BYTES} bytes`);
    return Buffer.concat(output).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new BuildError(`${name} is not installed`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}
