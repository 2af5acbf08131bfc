/**
 * A whole fleet for end-to-end tests: `covey up` as a user starts it, in a directory of its own on free
 * ports, with the means to hurt it (kill the hub, kill an agent, pull a device's plug, cut its network). At
 * the end everything is stopped and whatever is left behind fails the test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { findKubectls, Kubectl } from './kubectl.js';

const CLI = fileURLToPath(new URL('../../hub/cli/main.js', import.meta.url));
const START_TIMEOUT_MS = 180_000;

export interface FleetOptions {
  readonly devices: number;
  readonly hollow?: boolean;
  /** More arguments for `covey up`. */
  readonly args?: readonly string[];
  /** More environment, for the agents too. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Why fleets of hollow devices cannot be tested here, or undefined when they can. */
export function whyNoHollowFleet(): string | undefined {
  return findKubectls().size === 0 ? 'needs kubectl in PATH' : undefined;
}

/** Why fleets with real containers cannot run here, or undefined when they can. */
export function whyNoFleet(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (findKubectls().size === 0) return 'needs kubectl in PATH';
  return undefined;
}

export class Fleet implements AsyncDisposable {
  readonly directory: string;
  readonly kubectl: Kubectl;
  readonly id: string;
  readonly apiPort: number;
  readonly mqttPort: number;
  readonly #options: FleetOptions;
  #process: ChildProcess | undefined;
  #output = '';

  private constructor(directory: string, apiPort: number, mqttPort: number, options: FleetOptions) {
    this.directory = directory;
    this.apiPort = apiPort;
    this.mqttPort = mqttPort;
    this.#options = options;
    this.id = createHash('sha256').update(directory).digest('hex').slice(0, 6);
    this.kubectl = new Kubectl(findKubectls().get('') ?? 'kubectl', join(directory, 'kubeconfig'));
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const directory = mkdtempSync(join(tmpdir(), 'covey-fleet-'));
    const fleet = new Fleet(directory, await freePort(), await freePort(), options);
    await fleet.up();
    return fleet;
  }

  /** Starts `covey up` (again) and waits for its banner. */
  async up(): Promise<void> {
    const { devices, hollow, args = [], env = {} } = this.#options;
    const child = spawn(
      process.execPath,
      [
        CLI,
        'up',
        '--data',
        this.directory,
        '--devices',
        String(devices),
        '--listen',
        `127.0.0.1:${this.apiPort}`,
        '--mqtt-listen',
        `127.0.0.1:${this.mqttPort}`,
        ...(hollow === true ? ['--hollow'] : []),
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env, COVEY_AUDIT_LOG: this.#auditLog } },
    );
    this.#process = child;
    this.#output = '';
    const collect = (chunk: Buffer) => {
      this.#output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    try {
      await eventually('covey up prints its banner', START_TIMEOUT_MS, () => {
        if (child.exitCode !== null)
          throw new Error(`covey up ended with ${child.exitCode}:\n${this.#output}`);
        return this.#output.includes('Covey is up.');
      });
    } catch (error) {
      const logs = this.logs();
      await this.stop();
      throw new Error(`${(error as Error).message}\n${this.#output}\n${logs}`);
    }
  }

  get #auditLog(): string {
    return join(this.directory, 'logs', 'audit.log');
  }

  /** What the API has forbidden to the hub's own parts and to the devices: user, verb and path. */
  refusals(): string[] {
    return readFileSync(this.#auditLog, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { user?: string; verb: string; path: string; code: number })
      .filter(({ user, code }) => code === 403 && user?.startsWith('system:') === true)
      .map(({ user, verb, path }) => `${user} ${verb} ${path}`);
  }

  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  /** SIGTERM to `covey up`; resolves with its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill('SIGTERM');
    return gone;
  }

  /** Process ids of programs started for this fleet whose command line contains all the words. */
  pids(...words: string[]): number[] {
    return allProcesses()
      .filter(
        ({ command }) => command.includes(this.directory) && words.every((word) => command.includes(word)),
      )
      .map(({ pid }) => pid);
  }

  hubPid(): number {
    const [pid] = this.pids('main.js hub');
    if (pid === undefined) throw new Error('the hub is not running');
    return pid;
  }

  agentPid(device: string): number {
    const [pid] = this.pids('device-agent/main.js', `--name ${device} `);
    if (pid === undefined) throw new Error(`the agent of ${device} is not running`);
    return pid;
  }

  namespaceOf(device: string): string {
    return `covey-${this.id}-${device}`;
  }

  /** Cuts the device's network, or gives it back. Nothing on the device is told. */
  network(device: string, state: 'up' | 'down'): void {
    execFileSync('ip', ['-n', this.namespaceOf(device), 'link', 'set', 'eth0', state]);
    if (state === 'up') {
      const gateway = execFileSync('ip', ['-4', '-o', 'address', 'show', `cv-${this.id}`], {
        encoding: 'utf8',
      });
      const address = /inet ([\d.]+)/.exec(gateway)?.[1] ?? '';
      execFileSync('ip', ['-n', this.namespaceOf(device), 'route', 'replace', 'default', 'via', address]);
    }
  }

  /** Kills every process of the device's containers at once. */
  killContainers(device: string): void {
    for (const pid of this.containerPids(device)) kill(pid);
  }

  /** Power loss: the network is gone, then the agent, its monitors and all containers at once. */
  pullPlug(device: string): void {
    this.network(device, 'down');
    kill(this.agentPid(device));
    this.killContainers(device);
  }

  /** Processes in the device's cgroups, in any hierarchy. */
  containerPids(device: string): number[] {
    const pids = new Set<number>();
    const marker = `/covey-${this.id}/${device}`;
    for (const { pid } of allProcesses()) {
      try {
        if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(marker)) pids.add(pid);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    return [...pids];
  }

  logs(): string {
    const directory = join(this.directory, 'logs');
    if (!existsSync(directory)) return '';
    return readdirSync(directory)
      .map(
        (name) =>
          `--- ${name}\n${readFileSync(join(directory, name), 'utf8').split('\n').slice(-40).join('\n')}`,
      )
      .join('\n');
  }

  /** What of this fleet is still on the machine. */
  leftovers(): string[] {
    const found = this.pids().map((pid) => `process ${pid}`);
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    for (const line of mounts) {
      if (line.includes(this.directory) || line.includes(`/run/covey/${this.id}`))
        found.push(`mount ${line}`);
    }
    const tool = (command: string, args: string[]) => {
      try {
        return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
        throw error;
      }
    };
    if (tool('ip', ['netns', 'list']).includes(`covey-${this.id}`)) found.push('network namespace');
    if (existsSync(`/run/covey/${this.id}`)) found.push('directory on tmpfs');
    if (existsSync(`/sys/class/net/cv-${this.id}`)) found.push(`bridge cv-${this.id}`);
    if (tool('nft', ['list', 'tables']).includes(`covey_${this.id}`)) found.push('nftables table');
    for (const directory of findCgroups(`covey-${this.id}`)) found.push(`cgroup ${directory}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const left = await eventually('nothing is left', 15_000, () => {
      const found = this.leftovers();
      if (found.length === 0) return 'none';
      throw new Error(found.join('; '));
    });
    rmSync(this.directory, { recursive: true, force: true });
    if (left !== 'none') throw new Error(left);
  }
}

/** The command line of a process; '' when it has ended. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

function allProcesses(): Array<{ pid: number; command: string }> {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), command: commandOf(Number(name)) }))
    .filter(({ command }) => command !== '');
}

function findCgroups(name: string): string[] {
  const root = '/sys/fs/cgroup';
  const places = [root, ...readdirSync(root).map((entry) => join(root, entry))];
  return places.map((place) => join(place, name)).filter((path) => existsSync(path));
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
