/** The `covey` command as a person or a service runs it: once to the end, or in the background until it is stopped. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import type { Result } from './kubectl.js';

export const COVEY = fileURLToPath(new URL('../../hub/cli/main.js', import.meta.url));

export interface CoveyOptions {
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** The test's own unless given. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs to the end whatever the exit code; -1 when it had to be killed. */
export function covey(args: readonly string[], options: CoveyOptions = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [COVEY, ...args],
      { timeout: options.timeoutMs ?? 60_000, env: options.env ?? process.env, cwd: options.cwd ?? '.' },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

export interface ServiceOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A `covey` command that runs until it is stopped. */
export class CoveyService implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';

  constructor(args: readonly string[], options: ServiceOptions = {}) {
    const child = spawn(process.execPath, [COVEY, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    this.#child = child;
    this.#ended = once(child, 'exit');
    const collect = (chunk: Buffer) => {
      this.#output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get output(): string {
    return this.#output;
  }

  /** Rejects when it ends before, with everything that it said. */
  async says(text: string | RegExp, timeoutMs = 60_000): Promise<void> {
    await eventually(`covey says ${text}`, timeoutMs, () => {
      if (typeof text === 'string' ? this.#output.includes(text) : text.test(this.#output)) return true;
      return this.#child.exitCode !== null || this.#child.signalCode !== null ? 'ended' : undefined;
    }).then((answer) => {
      if (answer === 'ended') throw new Error(`covey ended with ${this.#child.exitCode}:\n${this.#output}`);
    });
  }

  /** Resolves with the exit code; null when it was killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }

  /** Resolves with the exit code once it has ended by itself. */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
