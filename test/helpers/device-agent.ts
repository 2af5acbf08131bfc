/**
 * A device for tests of whole agents: directories, a network namespace and a control group of its own, and
 * an agent process in them that can be killed, started again, or lose power. Everything is taken away at the end.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCgroups } from '#device-agent/cgroups/create-cgroups.js';
import { unmountAll } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { PodReport } from '#protocol/link/report.js';
import type { FromAgent, ToAgent } from './agent-child.js';
import { containersMissing } from './device-runtime.js';

const CHILD = fileURLToPath(new URL('./agent-child.js', import.meta.url));
const LIMIT_MS = 30_000;

/** Why whole devices cannot be tested here; undefined when they can. */
export function devicesMissing(): string | undefined {
  return (
    containersMissing() ??
    (existsSync('/usr/lib/cni/bridge') ? undefined : 'needs containernetworking-plugins')
  );
}

export class TestDevice {
  readonly root: string;
  readonly id = randomBytes(3).toString('hex');
  readonly reports: PodReport[] = [];
  #child: ChildProcess | undefined;
  #stderr = '';
  #ids = 0;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(t: TestContext): Promise<TestDevice> {
    const device = new TestDevice(await mkdtemp(join(tmpdir(), 'covey-agent-')));
    t.after(() => device.#destroy());
    execFileSync('ip', ['netns', 'add', device.#namespace]);
    execFileSync('ip', ['-n', device.#namespace, 'link', 'set', 'lo', 'up']);
    return device;
  }

  get #namespace(): string {
    return `covey-agent-${this.id}`;
  }

  get #cgroupParent(): string {
    return `covey-agent-test/${this.id}`;
  }

  get runDir(): string {
    return join(this.root, 'run');
  }

  /** Starts the agent, connected and with a lease unless told otherwise. */
  async start(
    options: { readonly connected?: boolean; readonly args?: readonly string[] } = {},
  ): Promise<void> {
    const args = [
      ...['--data', join(this.root, 'data'), '--run-dir', this.runDir, '--cgroup-parent', this.#cgroupParent],
      ...['--pod-cidr', '10.99.0.0/24', '--address', '192.0.2.9', ...(options.args ?? [])],
    ];
    const child = spawn(
      'nsenter',
      [`--net=/run/netns/${this.#namespace}`, '--', process.execPath, '--enable-source-maps', CHILD, ...args],
      { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] },
    );
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    child.on('message', (message: FromAgent) => {
      if (message.kind === 'report') this.reports.push(message.report);
    });
    await this.#message((message) => message.kind === 'ready');
    if (options.connected === false) return;
    this.send({ kind: 'connect', connected: true });
    this.send({ kind: 'grant', durationMs: 600_000 });
  }

  send(message: ToAgent): void {
    this.#child?.send(message);
  }

  async assign(assignment: Assignment): Promise<void> {
    this.#ids += 1;
    const id = this.#ids;
    const accepted = this.#message((message) => message.kind === 'accepted' && message.id === id);
    this.send({ kind: 'assign', id, assignment });
    await accepted;
  }

  /** The first report of the pod (from now on or the last one) for which `holds`. */
  async report(uid: string, holds: (report: PodReport) => boolean, limitMs = LIMIT_MS): Promise<PodReport> {
    const last = this.reports.findLast((one) => one.uid === uid);
    if (last !== undefined && holds(last)) return last;
    try {
      const found = await this.#message(
        (message) => message.kind === 'report' && message.report.uid === uid && holds(message.report),
        limitMs,
      );
      return found.kind === 'report' ? found.report : this.report(uid, holds);
    } catch (error) {
      const seen = JSON.stringify(
        this.reports.findLast((one) => one.uid === uid),
        undefined,
        1,
      );
      throw new Error(
        `${error}\nlast report: ${seen}\nevents: ${JSON.stringify(this.events(uid))}\n${this.#stderr}`,
      );
    }
  }

  events(uid: string): string[] {
    return this.reports
      .filter((one) => one.uid === uid)
      .flatMap((one) => one.events.map((e) => `${e.reason}: ${e.message}`));
  }

  /** SIGKILL to the agent alone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** A clean stop. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    this.send({ kind: 'stop' });
    await gone;
  }

  /** Power loss: agent and containers die at once, and what is on tmpfs is gone. */
  async losePower(): Promise<void> {
    await this.kill();
    await (await this.#cgroups()).purge();
    for (const pid of this.processes()) killQuietly(pid);
    await unmountAll(this.runDir);
    await rm(this.runDir, { recursive: true, force: true });
  }

  /** Processes whose command line names this device's directories: monitors and agents. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid && commandLine(pid).includes(this.root));
  }

  /** What of this device is still on the machine. */
  leftovers(): string[] {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    return [
      ...this.processes().map((pid) => `process ${pid}: ${commandLine(pid)}`),
      ...mounts.filter((line) => line.includes(this.root)).map((line) => `mount ${line}`),
    ];
  }

  async #cgroups(): ReturnType<typeof createCgroups> {
    return await createCgroups({ root: '/sys/fs/cgroup', parent: this.#cgroupParent, clock: systemClock });
  }

  async #destroy(): Promise<void> {
    await this.losePower();
    execFileSync('ip', ['netns', 'delete', this.#namespace]);
    await unmountAll(this.root);
    await rm(this.root, { recursive: true, force: true });
  }

  #message(wanted: (message: FromAgent) => boolean, limitMs = LIMIT_MS): Promise<FromAgent> {
    const child = this.#child;
    if (child === undefined) throw new TypeError('the agent is not started');
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit);
        settle();
      };
      const onMessage = (message: FromAgent) => {
        if (wanted(message)) finish(() => resolve(message));
      };
      const onExit = (code: number | null) =>
        finish(() => reject(new Error(`the agent ended with ${code}: ${this.#stderr}`)));
      const timer = setTimeout(() => finish(() => reject(new Error(`nothing in ${limitMs} ms`))), limitMs);
      child.on('message', onMessage).on('exit', onExit);
    });
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
