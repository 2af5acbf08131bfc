/**
 * A runtime that only pretends: containers start at once and run until they are killed, or end as the given
 * behaviour says. Same rules as the real one, no processes; for machines without root and for large tests.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import { ByteQueue } from '../lib/byte-queue.js';
import {
  type AttachedInput,
  type ContainerSpec,
  type ContainerState,
  type ContainerUsage,
  containerId,
  type ExecRequest,
  type ExecSession,
  type PodLimits,
  type Runtime,
  RuntimeError,
} from './runtime.js';
import { signalNumber } from './signals.js';

/** How a pretended container ends by itself. */
export interface HollowExit {
  /** Milliseconds after the start. */
  readonly afterMs: number;
  readonly exitCode: number;
  readonly oomKilled?: boolean;
}

export interface HollowRuntimeOptions {
  readonly clock: Clock;
  /** Undefined result: runs until killed. Unless given, init containers succeed at once and others run until killed. */
  readonly behaviour?: (spec: ContainerSpec) => HollowExit | undefined;
  /** Exit code of a command run inside a container; 0 unless given. */
  readonly execExitCode?: (request: ExecRequest) => number;
  /** Write one line to each container's log, so that `logs` shows something; true unless given. */
  readonly writeLogs?: boolean;
}

interface Pretended {
  readonly spec: ContainerSpec;
  state: ContainerState;
  timer: Timer | undefined;
}

function succeedAtOnce({ runsToEnd }: ContainerSpec): HollowExit | undefined {
  return runsToEnd === true ? { afterMs: 0, exitCode: 0 } : undefined;
}

export function createHollowRuntime(options: HollowRuntimeOptions): Runtime {
  return new HollowRuntime(options);
}

class HollowRuntime implements Runtime {
  readonly version = 'hollow://1';
  readonly #options: HollowRuntimeOptions;
  readonly #containers = new Map<string, Pretended>();
  readonly #subscribers = new Set<(id: string) => void>();

  constructor(options: HollowRuntimeOptions) {
    this.#options = options;
  }

  async createPodCgroup(_podUid: string, _limits: PodLimits): Promise<void> {}

  async removePodCgroup(_podUid: string): Promise<void> {}

  async create(spec: ContainerSpec): Promise<void> {
    const id = containerId(spec.key);
    if (this.#containers.has(id)) return;
    if (spec.argv.length === 0)
      throw new RuntimeError('CreateContainerError', `container "${spec.key.name}": no command specified`);
    this.#containers.set(id, {
      spec,
      timer: undefined,
      state: {
        id,
        key: spec.key,
        status: 'created',
        createdAt: this.#options.clock.now(),
        oomKilled: false,
      },
    });
    this.#notify(id);
  }

  async start(id: string): Promise<void> {
    const container = this.#containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `no container ${id} on this device`);
    if (container.state.status !== 'created') return;
    container.state = { ...container.state, status: 'running', startedAt: this.#options.clock.now() };
    await this.#log(container.spec);
    this.#notify(id);
    const exit = (this.#options.behaviour ?? succeedAtOnce)(container.spec);
    if (!exit) return;
    container.timer = this.#options.clock.setTimer(exit.afterMs, () =>
      this.#end(container, exit.exitCode, exit.oomKilled ?? false),
    );
  }

  async #log(spec: ContainerSpec): Promise<void> {
    if (this.#options.writeLogs === false) return;
    const time = new Date(this.#options.clock.now()).toISOString();
    await mkdir(dirname(spec.logPath), { recursive: true });
    await appendFile(
      spec.logPath,
      `${time} stdout F ${spec.key.name}: this device only pretends to run it\n`,
    );
  }

  async kill(id: string, signal: string): Promise<void> {
    const number = signalNumber(signal);
    const container = this.#containers.get(id);
    if (!container || container.state.status === 'exited') return;
    // As an ordinary program: it ends by the signals that end one.
    if ([1, 2, 3, 9, 15].includes(number)) this.#end(container, 128 + number, false);
  }

  #end(container: Pretended, exitCode: number, oomKilled: boolean): void {
    if (container.state.status === 'exited') return;
    container.timer?.cancel();
    container.state = {
      ...container.state,
      status: 'exited',
      exitCode,
      oomKilled,
      finishedAt: this.#options.clock.now(),
    };
    this.#notify(container.state.id);
  }

  async delete(id: string): Promise<void> {
    const container = this.#containers.get(id);
    if (container?.state.status === 'running')
      throw new RuntimeError('RunContainerError', `container ${id} still runs: kill it first`);
    this.#containers.delete(id);
  }

  async list(): Promise<readonly ContainerState[]> {
    return [...this.#containers.values()].map((container) => container.state);
  }

  subscribe(changed: (id: string) => void): Disposable {
    this.#subscribers.add(changed);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(changed) };
  }

  async exec(request: ExecRequest): Promise<ExecSession> {
    request.signal.throwIfAborted();
    const container = this.#containers.get(request.containerId);
    if (!container) throw new RuntimeError('NotFound', `no container ${request.containerId} on this device`);
    if (container.state.status !== 'running')
      throw new RuntimeError('ExecFailed', `container ${request.containerId} is not running`);
    return hollowExec(request, this.#options.execExitCode?.(request) ?? 0);
  }

  /** What it is given is forgotten. */
  async attachInput(id: string): Promise<AttachedInput> {
    if (this.#containers.get(id)?.state.status !== 'running')
      throw new RuntimeError('NotFound', `no container ${id} runs on this device`);
    return {
      write: async () => undefined,
      end: () => undefined,
      resize: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async usage(): Promise<readonly ContainerUsage[]> {
    return [...this.#containers.values()]
      .filter((container) => container.state.status === 'running')
      .map((container) => ({
        id: container.state.id,
        cpuUsageNanoseconds: 0,
        memoryWorkingSetBytes: 0,
        pids: 1,
      }));
  }

  #notify(id: string): void {
    for (const changed of this.#subscribers) changed(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#containers.values()) container.timer?.cancel();
    this.#subscribers.clear();
  }
}

const ECHO_BYTES = 64 * 1024;

/** Says what it was asked to run and, with standard input, echoes it until its end. */
function hollowExec(request: ExecRequest, exitCode: number): ExecSession {
  const stdout = new ByteQueue(ECHO_BYTES);
  const stderr = new ByteQueue(ECHO_BYTES);
  let settle: (code: number) => void = () => undefined;
  const exit = new Promise<number>((resolve) => {
    settle = resolve;
  });
  const end = (code: number) => {
    stdout.end();
    stderr.end();
    settle(code);
  };
  const newline = request.tty ? '\r\n' : '\n';
  stdout.push(Buffer.from(`${request.command.join(' ')}: this device only pretends to run it${newline}`));
  request.signal.addEventListener('abort', () => end(137), { once: true });
  if (!request.stdin) end(exitCode);
  return {
    stdout,
    stderr,
    exit,
    async write(data) {
      if (!stdout.push(data)) await stdout.writable();
    },
    endStdin: () => end(exitCode),
    resize: () => undefined,
    async [Symbol.asyncDispose]() {
      end(137);
    },
  };
}
