/**
 * Creates a container under its own conmon, which holds its standard streams, writes its log and its exit
 * file, and lives on without the agent. conmon reports the result of the creation on a pipe; without that
 * pipe its errors would vanish.
 */
import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '#protocol/lib/clock.js';
import { orMissing } from '../lib/errno.js';
import { RuntimeError } from './runtime.js';

export interface ConmonRequest {
  readonly conmon: string;
  readonly runtime: string;
  readonly runtimeArguments: readonly string[];
  readonly id: string;
  readonly name: string;
  readonly bundle: string;
  readonly logPath: string;
  /** conmon starts the log anew beyond this size, whether or not the agent is there to rotate it. */
  readonly logHardLimitBytes: number;
  readonly exitDirectory: string;
  readonly persistDirectory: string;
  readonly terminal: boolean;
  /** 'once': it ends when the first who gives input leaves. */
  readonly stdin: 'none' | 'once' | 'open';
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const SYNC_FD = 3;
const MAX_REPORT_BYTES = 64 * 1024;

/** Resolves with the container's first process id (created, not started). Rejects with RuntimeError. */
export async function createUnderConmon(request: ConmonRequest): Promise<number> {
  const errorLog = join(request.bundle, 'conmon.log');
  const stderr = await open(errorLog, 'w', 0o600);
  try {
    const child = spawn(request.conmon, conmonArguments(request), {
      cwd: request.bundle,
      env: { PATH: process.env['PATH'], _OCI_SYNCPIPE: String(SYNC_FD) },
      stdio: ['ignore', 'ignore', stderr.fd, 'pipe'],
      detached: true,
    });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) =>
        reject(new RuntimeError('CreateContainerError', `conmon did not start: ${error.message}`, error)),
      );
    });
    // Whoever loses the race below may still reject later.
    failed.catch(() => undefined);
    const pipe = child.stdio[SYNC_FD] as Readable;
    const timer = request.clock.setTimer(request.timeoutMs, () => pipe.destroy());
    try {
      const report = await Promise.race([readReport(pipe), failed]);
      return await understand(report, errorLog, request.timeoutMs);
    } finally {
      timer.cancel();
      pipe.destroy();
      child.unref();
    }
  } finally {
    await stderr.close();
  }
}

function conmonArguments(request: ConmonRequest): readonly string[] {
  return [
    ...['--api-version', '1', '--log-level', 'error'],
    ...['--cid', request.id, '--cuuid', request.id, '--name', request.name],
    ...['--runtime', request.runtime],
    ...request.runtimeArguments.flatMap((argument) => [`--runtime-arg=${argument}`]),
    ...['--bundle', request.bundle],
    ...['--container-pidfile', join(request.bundle, 'pid')],
    ...['--conmon-pidfile', join(request.bundle, 'conmon.pid')],
    ...['--log-path', `k8s-file:${request.logPath}`, '--log-size-max', String(request.logHardLimitBytes)],
    // A sync after each log would wear the card; a log line lost with the power is accepted.
    '--no-sync-log',
    ...['--exit-dir', request.exitDirectory, '--persist-dir', request.persistDirectory],
    // Puts the attach socket into the bundle, where no other container's directory can be in the way.
    '--full-attach',
    ...(request.terminal ? ['--terminal'] : []),
    ...(request.stdin === 'none' ? [] : ['--stdin']),
    ...(request.stdin === 'open' ? ['--leave-stdin-open'] : []),
  ];
}

/** The first line, or what came before the end. */
async function readReport(pipe: Readable): Promise<string> {
  let text = '';
  try {
    for await (const chunk of pipe) {
      text += String(chunk);
      if (text.includes('\n') || text.length > MAX_REPORT_BYTES) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  return text;
}

async function understand(report: string, errorLog: string, timeoutMs: number): Promise<number> {
  let parsed: { data?: number; pid?: number; message?: string } = {};
  try {
    parsed = JSON.parse(report.split('\n')[0] ?? '') as typeof parsed;
  } catch {
    // conmon ended, or was given up, before it reported; what it logged says why.
  }
  const pid = parsed.data ?? parsed.pid ?? -1;
  if (pid > 0) return pid;
  const logged = ((await orMissing(readFile(errorLog, 'utf8'))) ?? '').trim().slice(-2000);
  const reason =
    (parsed.message ?? '').trim() || logged || `no report from conmon within ${timeoutMs / 1000} s`;
  throw new RuntimeError('CreateContainerError', readable(reason));
}

/** The message inside the runtime's log line, without its quoting. */
function readable(text: string): string {
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  return (message ?? text)
    .replace(/\\(["\\])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
}
