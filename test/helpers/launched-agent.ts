/**
 * An agent as a flashed board runs it: an installation of its own, started by the launcher, which is started again
 * whenever it ends, as systemd does. Nothing of it is left at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, mkdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LAUNCHER } from '#firmware-profiles/payload/agent-release.js';
import { STARTER, stageThinRelease } from './staged-release.js';

export interface LaunchedOptions {
  /** Everything lies below it. */
  readonly directory: string;
  /** Version that is installed at first. */
  readonly version: string;
  /** Flags of the agent. */
  readonly args: readonly string[];
  /** 'sh' unless given. */
  readonly shell?: readonly string[];
}

/** As RestartSec of the unit, but shorter. */
const RESTART_MS = 100;

export class LaunchedAgent implements AsyncDisposable {
  readonly install: string;
  readonly #options: LaunchedOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;
  #output = '';
  /** How often the launcher was started. */
  starts = 0;

  private constructor(options: LaunchedOptions) {
    this.#options = options;
    this.install = join(options.directory, 'opt');
  }

  /** Installs, and starts it. */
  static async start(options: LaunchedOptions): Promise<LaunchedAgent> {
    const agent = new LaunchedAgent(options);
    await installAgent(agent.install, options.version);
    agent.#run();
    return agent;
  }

  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  async current(): Promise<string> {
    return (await readlink(join(this.install, 'current'))).replace('releases/', '');
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #run(): void {
    const [shell = 'sh', ...more] = this.#options.shell ?? ['sh'];
    this.starts += 1;
    const child = spawn(shell, [...more, join(this.install, 'launch'), ...this.#options.args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: this.#options.directory },
    });
    this.#child = child;
    const collect = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-200_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#output += `--- ended with ${code ?? signal}\n`;
        resolve();
        if (!this.#stopping)
          setTimeout(() => {
            if (!this.#stopping) this.#run();
          }, RESTART_MS);
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child?.kill('SIGTERM');
    const deadline = setTimeout(() => this.#child?.kill('SIGKILL'), 15_000);
    await this.#ended;
    clearTimeout(deadline);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** What first boot leaves in /opt/covey, with this machine's Node.js. */
export async function installAgent(install: string, version: string): Promise<void> {
  await mkdir(join(install, 'runtime/bin'), { recursive: true });
  await symlink(process.execPath, join(install, 'runtime/bin/node'));
  await stageThinRelease(join(install, 'releases', version));
  await symlink(join('releases', version), join(install, 'current'));
  await copyFile(STARTER, join(install, 'launch'));
  await copyFile(LAUNCHER, join(install, 'launcher'));
}
