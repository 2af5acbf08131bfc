/**
 * The client of one exec: the OCI runtime's `exec` command on pipes or on a terminal. Output waits in bounded
 * queues; a slow reader slows the process down. Both kinds look alike to the session.
 */
import { spawn } from 'node:child_process';
import type { Clock } from '#protocol/lib/clock.js';
import { ByteQueue } from '../lib/byte-queue.js';
import { processState } from './process-table.js';
import type { TerminalSize } from './runtime.js';

/** Exit status, or the number of the signal that ended the client. */
export type ClientExit = { readonly code: number } | { readonly signal: string | number };

export interface ExecClient {
  readonly stdout: ByteQueue;
  readonly stderr: ByteQueue;
  /** Resolves once with the end of the client; rejects when it could not be started. */
  readonly ended: Promise<ClientExit>;
  write(data: Uint8Array): Promise<void>;
  endStdin(): void;
  resize(columns: number, rows: number): void;
  /** Ends the client itself; the process in the container is the session's business. */
  kill(): void;
}

const QUEUE_BYTES = 256 * 1024;
/** Output of children that outlive the process is awaited so long after its end. */
const DRAIN_MS = 500;
const END_OF_TRANSMISSION = Buffer.from([4]);

export function execOnPipes(
  program: string,
  args: readonly string[],
  stdin: boolean,
  clock: Clock,
): ExecClient {
  const child = spawn(program, args, { stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  const out = child.stdout as NonNullable<typeof child.stdout>;
  const err = child.stderr as NonNullable<typeof child.stderr>;
  const stdout = new ByteQueue(QUEUE_BYTES, () => out.resume());
  const stderr = new ByteQueue(QUEUE_BYTES, () => err.resume());
  const open = new Set([out, err]);
  const finish = (stream: typeof out, queue: ByteQueue) => {
    open.delete(stream);
    queue.end();
  };
  for (const [stream, queue] of [
    [out, stdout],
    [err, stderr],
  ] as const) {
    stream.on('data', (chunk: Buffer) => {
      if (!queue.push(chunk)) stream.pause();
    });
    stream.once('close', () => finish(stream, queue));
    stream.on('error', () => stream.destroy());
  }
  // A process that ends without reading its input closes the pipe; its exit code tells what happened.
  child.stdin?.on('error', () => undefined);
  const ended = new Promise<ClientExit>((resolve, reject) => {
    child.once('error', (error) => {
      stdout.end();
      stderr.end();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      resolve(code === null ? { signal: signal ?? 'SIGKILL' } : { code });
      // A background child may hold the pipes open for ever; a slow reader alone is waited for.
      const drain = () => {
        if ([stdout, stderr].some((queue) => queue.bytes > 0) && open.size > 0)
          clock.setTimer(DRAIN_MS, drain);
        else for (const stream of open) stream.destroy();
      };
      clock.setTimer(DRAIN_MS, drain);
    });
  });
  return {
    stdout,
    stderr,
    ended,
    write: (data) =>
      new Promise((resolve) => {
        if (!child.stdin || child.stdin.destroyed || child.stdin.writableEnded) resolve();
        else child.stdin.write(data, () => resolve());
      }),
    endStdin: () => child.stdin?.end(),
    resize: () => undefined,
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Rejects when this machine has no build of node-pty; everything without a terminal works there all the same. */
export async function execOnTerminal(
  program: string,
  args: readonly string[],
  size: TerminalSize,
  clock: Clock,
): Promise<ExecClient> {
  // Loaded when first needed: a board that never sees a terminal does not pay for it.
  const { spawn: spawnTerminal } = await import('node-pty');
  const terminal = spawnTerminal(program, [...args], {
    name: 'xterm',
    cols: size.columns,
    rows: size.rows,
    cwd: '/',
    env: { PATH: process.env['PATH'], TERM: 'xterm' },
    encoding: null,
  });
  let ended = false;
  const stdout = new ByteQueue(QUEUE_BYTES, () => terminal.resume());
  const stderr = new ByteQueue(1);
  stderr.end();
  terminal.onData((data) => {
    if (stdout.push(data) || ended) return;
    terminal.pause();
    watchWhilePaused();
  });
  /**
   * node-pty closes the terminal shortly after the process's end even when nobody reads. What the kernel
   * still holds then (some kilobytes) is taken over the queue's bound rather than lost.
   */
  const watchWhilePaused = () => {
    clock.setTimer(50, () => {
      if (ended || !terminal._socket.isPaused()) return;
      void processState(terminal.pid).then(
        (state) => (state === undefined || state === 'Z' ? terminal.resume() : watchWhilePaused()),
        () => terminal.resume(),
      );
    });
  };
  const exit = new Promise<ClientExit>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      ended = true;
      stdout.end();
      resolve(signal ? { signal } : { code: exitCode });
    });
  });
  const write = (data: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      if (ended || terminal._socket.destroyed) resolve();
      else terminal._socket.write(data, () => resolve());
    });
  return {
    stdout,
    stderr,
    ended: exit,
    write,
    endStdin: () => void write(END_OF_TRANSMISSION),
    resize: (columns, rows) => {
      if (!ended && columns > 0 && rows > 0) terminal.resize(columns, rows);
    },
    kill: () => {
      if (!ended) terminal.kill('SIGKILL');
    },
  };
}
