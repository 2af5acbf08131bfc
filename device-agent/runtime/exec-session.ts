/**
 * One process run inside a container. The exit code is the process's own; that the process could not be
 * started is a RuntimeError, told apart by the pid file that the runtime writes only on success. Cancelling
 * kills the process and its session inside the container, not only the client.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { signalProcess } from '../cgroups/cgroup-tree.js';
import { ByteQueue } from '../lib/byte-queue.js';
import { orMissing } from '../lib/errno.js';
import { type ClientExit, type ExecClient, execOnPipes, execOnTerminal } from './exec-process.js';
import type { OciProcess } from './oci-types.js';
import { processParent, processSession } from './process-table.js';
import { type ExecRequest, type ExecSession, RuntimeError, type TerminalSize } from './runtime.js';

export interface ExecEnvironment {
  /** The OCI runtime and its options before the command. */
  readonly program: string;
  readonly globalArguments: readonly string[];
  /** The container's own process, from its configuration. */
  readonly process: OciProcess;
  /** Directory for this session's files, on tmpfs. */
  readonly directory: string;
  /** Unique name of the session. */
  readonly name: string;
  /** Processes inside the container now. */
  readonly processes: () => Promise<readonly number[]>;
  readonly clock: Clock;
}

const HELD_BYTES = 64 * 1024;
const HOLD_POLL_MS = 15;

export async function startExec(request: ExecRequest, environment: ExecEnvironment): Promise<ExecSession> {
  request.signal.throwIfAborted();
  const files = {
    process: join(environment.directory, `${environment.name}.json`),
    pid: join(environment.directory, `${environment.name}.pid`),
  };
  const process = execProcess(environment.process, request);
  await writeFile(files.process, JSON.stringify(process), { mode: 0o600 });
  const args = [
    ...environment.globalArguments,
    ...['exec', '--process', files.process, '--pid-file', files.pid],
    request.containerId,
  ];
  const client = request.tty
    ? await execOnTerminal(environment.program, args, sizeOf(request), environment.clock)
    : execOnPipes(environment.program, args, request.stdin, environment.clock);
  return new Session(request, environment, client, files);
}

/** The container's process with another command; its user, capabilities and environment stay. */
function execProcess(base: OciProcess, request: ExecRequest): OciProcess {
  const { oomScoreAdj: _, ...rest } = base;
  const env = request.tty && !base.env.some((item) => item.startsWith('TERM=')) ? ['TERM=xterm'] : [];
  const { columns, rows } = sizeOf(request);
  const console = request.tty ? { consoleSize: { width: columns, height: rows } } : {};
  return { ...rest, ...console, terminal: request.tty, args: request.command, env: [...base.env, ...env] };
}

function sizeOf({ terminalSize }: ExecRequest): TerminalSize {
  return terminalSize ?? { columns: 80, rows: 24 };
}

class Session implements ExecSession {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly exit: Promise<number>;
  readonly #client: ExecClient;
  readonly #environment: ExecEnvironment;
  readonly #files: { readonly process: string; readonly pid: string };
  readonly #signal: AbortSignal;
  readonly #onAbort = () => void this.#cancel();
  /** What came before the process was known to run: the runtime's own words if it never does. */
  readonly #held: Array<{ queue: ByteQueue; chunk: Uint8Array }> = [];
  #heldBytes = 0;
  #input: Promise<void> = Promise.resolve();
  #started = false;
  #ended = false;

  constructor(
    request: ExecRequest,
    environment: ExecEnvironment,
    client: ExecClient,
    files: { readonly process: string; readonly pid: string },
  ) {
    this.#client = client;
    this.#environment = environment;
    this.#files = files;
    this.#signal = request.signal;
    const out = new ByteQueue(HELD_BYTES);
    const err = new ByteQueue(HELD_BYTES);
    this.stdout = out;
    this.stderr = err;
    const pumps = Promise.all([this.#pump(client.stdout, out), this.#pump(client.stderr, err)]);
    this.exit = this.#settle(pumps);
    // The caller may look at it later; until then a failure is not an unhandled one.
    this.exit.catch(() => undefined);
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  write(data: Uint8Array): Promise<void> {
    return this.#inOrder(() => this.#client.write(data));
  }

  endStdin(): void {
    // Whatever kept the process from starting is reported by `exit`.
    this.#inOrder(async () => this.#client.endStdin()).catch(() => undefined);
  }

  /**
   * Input waits until the process runs: before that the runtime's terminal is not in raw mode, and an end of
   * transmission would end the runtime's own input instead of the process's.
   */
  #inOrder(step: () => Promise<void>): Promise<void> {
    this.#input = this.#input.then(async () => {
      while (!this.#started && !this.#ended) {
        if (await this.#processId()) break;
        await this.#environment.clock.sleep(HOLD_POLL_MS);
      }
      await step();
    });
    return this.#input;
  }

  resize(columns: number, rows: number): void {
    this.#client.resize(columns, rows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.#cancel();
    await this.exit.catch(() => undefined);
  }

  /** Moves one output to the session's reader, at the reader's pace. */
  async #pump(from: ByteQueue, to: ByteQueue): Promise<void> {
    for await (const chunk of from) {
      if (!this.#started) {
        this.#held.push({ queue: to, chunk });
        this.#heldBytes += chunk.length;
        await this.#awaitStart();
        continue;
      }
      if (!to.push(chunk)) await to.writable();
    }
  }

  /** Returns when the process is known to run, or the client has ended, or too much is held back. */
  async #awaitStart(): Promise<void> {
    while (!this.#started && !this.#ended && this.#heldBytes < HELD_BYTES) {
      if (await this.#processId()) {
        this.#release();
        return;
      }
      await this.#environment.clock.sleep(HOLD_POLL_MS);
    }
  }

  #release(): void {
    this.#started = true;
    for (const { queue, chunk } of this.#held) queue.push(chunk);
    this.#held.length = 0;
  }

  async #processId(): Promise<number | undefined> {
    const text = await orMissing(readFile(this.#files.pid, 'utf8'));
    const pid = Number(text);
    return pid > 1 ? pid : undefined;
  }

  async #settle(pumps: Promise<unknown>): Promise<number> {
    try {
      const end = await this.#client.ended.catch((error: Error) => {
        throw new RuntimeError('ExecFailed', `exec could not be started: ${error.message}`, error);
      });
      this.#ended = true;
      const ran = (await orMissing(stat(this.#files.pid))) !== undefined;
      if (ran) this.#release();
      await pumps;
      if (ran) return exitCode(end);
      if (this.#signal.aborted) throw new RuntimeError('ExecFailed', 'exec was cancelled before it started');
      const said = Buffer.concat(this.#held.map((item) => item.chunk)).toString('utf8');
      throw new RuntimeError('ExecFailed', startFailure(said));
    } finally {
      this.#ended = true;
      this.#signal.removeEventListener('abort', this.#onAbort);
      (this.stdout as ByteQueue).end();
      (this.stderr as ByteQueue).end();
      await rm(this.#files.process, { force: true });
      await rm(this.#files.pid, { force: true });
    }
  }

  /** Kills the process, its session and its descendants; the client then ends by itself or is ended. */
  async #cancel(): Promise<void> {
    const leader = await this.#processId();
    if (leader !== undefined) {
      for (const pid of await this.#family(leader)) signalProcess(pid, 'SIGKILL');
    }
    await this.#environment.clock.sleep(50);
    if (!this.#ended) this.#client.kill();
  }

  async #family(leader: number): Promise<readonly number[]> {
    const inside = await this.#environment.processes();
    if (!inside.includes(leader)) return [];
    const parents = new Map<number, number | undefined>();
    for (const pid of inside) parents.set(pid, await processParent(pid));
    const family = new Set([leader]);
    for (const pid of inside) if ((await processSession(pid)) === leader) family.add(pid);
    // Descendants that opened a session of their own.
    for (let grown = true; grown; ) {
      grown = false;
      for (const [pid, parent] of parents) {
        if (parent === undefined || family.has(pid) || !family.has(parent)) continue;
        family.add(pid);
        grown = true;
      }
    }
    return [...family];
  }
}

function exitCode(end: ClientExit): number {
  if ('code' in end) return end.code;
  const number = typeof end.signal === 'number' ? end.signal : signalNumber(end.signal);
  return 128 + number;
}

function signalNumber(name: string): number {
  return (constants.signals as Readonly<Record<string, number>>)[name] ?? 9;
}

/** The runtime's message without its log decoration. */
function startFailure(said: string): string {
  const line = said.trim().split(/\r?\n/).at(-1) ?? '';
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line;
  return (
    message.replace(/\\(["\\])/g, '$1').trim() || 'exec could not be started; the runtime gave no reason'
  );
}
