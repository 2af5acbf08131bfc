/**
 * Keeps one child process running: started, started again with back-off when it dies, its output in a log
 * file of bounded size. A child knows by its IPC channel when the supervisor is gone and then stops by
 * itself, so that a killed supervisor leaves no orphans behind for long.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, statSync, truncateSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';

const RESTART = { initialMs: 500, maxMs: 30_000 };
/** A child that ran this long starts afresh in its back-off. */
const HEALTHY_MS = 60_000;
const CLEAN_UP_MS = 20_000;
const MAX_LOG_BYTES = 10 * 2 ** 20;

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment of this process, which goes before it. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopMs: number;
  /** Arguments of a last run that cleans up, when the process did not end cleanly by itself. */
  readonly afterKill?: readonly string[];
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of each unexpected exit; the child is started again after `delayMs`. */
  readonly onExit: (
    name: string,
    code: number | null,
    signal: NodeJS.Signals | null,
    delayMs: number,
  ) => void;
}

export class SupervisedChild implements AsyncDisposable {
  readonly #spec: ChildSpec;
  readonly #options: SupervisorOptions;
  #child: ChildProcess | undefined;
  #restart: Timer | undefined;
  #attempts = 0;
  #stopping = false;

  constructor(spec: ChildSpec, options: SupervisorOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether the process is up now. */
  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Why it ended, in its own words: the last line of its log that is for people, not a record of the logger. */
  async lastWords(): Promise<string> {
    const lines = (await readFile(this.#spec.logFile, 'utf8')).trim().split('\n');
    return lines.findLast((line) => !line.startsWith('{')) ?? lines.at(-1) ?? '';
  }

  /** SIGTERM, then SIGKILL when the time is over, then the clean-up. Resolves when nothing runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#restart?.cancel();
    const { stopMs } = this.#spec;
    const child = this.#child;
    if (child !== undefined && this.running) await this.#end(child, stopMs);
    if (child?.exitCode !== 0) await this.#cleanUp();
  }

  async #end(child: ChildProcess, stopMs: number): Promise<void> {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = this.#options.clock.setTimer(stopMs, () => child.kill('SIGKILL'));
    await gone;
    timer.cancel();
  }

  async #cleanUp(): Promise<void> {
    const { command, afterKill, logFile } = this.#spec;
    if (afterKill === undefined) return;
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(command, afterKill, { stdio: ['ignore', log, log] });
    closeSync(log);
    const timer = this.#options.clock.setTimer(CLEAN_UP_MS, () => child.kill('SIGKILL'));
    await once(child, 'exit');
    timer.cancel();
  }

  #start(): void {
    const { command, args, environment, logFile } = this.#spec;
    const { clock, random, onExit } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    const log = openSync(logFile, 'a', 0o600);
    if (statSync(logFile).size > MAX_LOG_BYTES) truncateSync(logFile);
    const startedAt = clock.monotonic();
    // A session of its own: Ctrl-C on the terminal reaches the supervisor only, which stops all in order.
    const child = spawn(command, args, {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
      env: { ...environment, ...process.env },
    });
    closeSync(log);
    this.#child = child;
    const ended = (code: number | null, signal: NodeJS.Signals | null) => {
      if (this.#stopping) return;
      if (clock.monotonic() - startedAt > HEALTHY_MS) this.#attempts = 0;
      const delay = backoffDelay(RESTART, this.#attempts++, random);
      onExit(this.#spec.name, code, signal, delay);
      this.#restart = clock.setTimer(delay, () => this.#start());
    };
    child.once('error', () => ended(null, null));
    child.once('exit', ended);
  }
}
