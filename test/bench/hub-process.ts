/**
 * A hub as users run it, in a process of its own: started on free ports and a new directory, watched through
 * /proc from outside (CPU time, memory), stopped and cleaned up at the end. The environment variable
 * COVEY_BENCH_HUB_FLAGS adds flags for its Node, for example `--cpu-prof --cpu-prof-dir=/tmp/profile`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCredentials } from '#hub/cli/credentials.js';
import type { Credentials } from '#hub/lib/https-client.js';
import { freePort } from '#test/helpers/fleet.js';

const CLI = fileURLToPath(new URL('../../hub/cli/main.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
/** Linux reports CPU times in hundredths of a second. */
const TICK_MS = 10;

export interface Memory {
  readonly rssMiB: number;
  readonly anonymousMiB: number;
  readonly peakMiB: number;
}

export class HubProcess implements AsyncDisposable {
  readonly directory: string;
  readonly credentials: Credentials;
  readonly #child: ChildProcess;

  private constructor(directory: string, credentials: Credentials, child: ChildProcess) {
    this.directory = directory;
    this.credentials = credentials;
    this.#child = child;
  }

  /** Resolves when the hub serves. */
  static async start(): Promise<HubProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'covey-bench-hub-'));
    const flags = (process.env['COVEY_BENCH_HUB_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
    const listen = ['--listen', `127.0.0.1:${await freePort()}`];
    const mqtt = ['--mqtt-listen', `127.0.0.1:${await freePort()}`];
    const child = spawn(
      process.execPath,
      [...flags, CLI, 'hub', '--data', directory, ...listen, ...mqtt, '--log-level', 'warn'],
      // Over the channel the hub sees that this process is gone, and stops.
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}`);
      const credentials = await readCredentials(directory).catch(() => undefined);
      if (credentials !== undefined) return new HubProcess(directory, credentials, child);
      if (performance.now() > deadline) throw new Error('the hub does not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Milliseconds of CPU time that the hub has used on all its threads. */
  cpuMs(): number {
    return processCpuMs(this.pid);
  }

  memory(): Memory {
    return processMemory(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await gone;
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** User and system time of all threads of a process, in milliseconds. */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident, anonymous and highest resident memory of a process. */
export function processMemory(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (text: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
  return {
    rssMiB: mebibytes(rollup, 'Rss'),
    anonymousMiB: mebibytes(rollup, 'Anonymous'),
    peakMiB: mebibytes(status, 'VmHWM'),
  };
}
