/**
 * Joins the hub in a process of its own, which ends with an identity on disk: certificate libraries are needed
 * once in a device's life, and the agent's memory never holds them. Exit codes as the agent's.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from '#protocol/lib/logger.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import type { Board } from '#protocol/link/join.js';
import type { JoinConfig } from './config.js';
import { CardLog } from './firmware/card-log.js';
import { ClockKeeper, systemMachineClock } from './firmware/clock.js';
import { createLogger } from './lib/logger.js';
import { systemClock } from './lib/system-clock.js';
import type { JoinOptions } from './link/join.js';

export interface JoinRequest {
  readonly device: string;
  readonly dataDir: string;
  readonly agentVersion: string;
  readonly logLevel: string;
  /** The name is only the host's: the hub may give another. */
  readonly anyName: boolean;
  /** Where the device stands. */
  readonly site?: string | undefined;
  readonly board: Board;
  readonly findings: readonly BoardFinding[];
  /** Directory of the log on the card. */
  readonly card?: string | undefined;
  readonly setClock: boolean;
  /** Names the file with the token: the token itself is never handed over on a command line. */
  readonly join: JoinConfig;
}

/** Resolves once the identity is on disk. Rejects with the one line that says why not, or with the signal's reason. */
export async function joinInOwnProcess(request: JoinRequest, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [fileURLToPath(import.meta.url), JSON.stringify(request)],
      { signal },
      (error, _stdout, stderr) => {
        if (error === null) resolve();
        else if (signal.aborted) reject(signal.reason);
        else reject(new Error(stderr.trim().split('\n').at(-1) || error.message));
      },
    );
    // Its log lines are the agent's; the last one, the reason of a failure, is repeated by the caller.
    child.stderr?.on('data', (chunk: string) => {
      for (const line of chunk.split('\n')) if (line.startsWith('{')) process.stderr.write(`${line}\n`);
    });
  });
}

async function join(request: JoinRequest): Promise<void> {
  const { device, dataDir, agentVersion, logLevel, anyName, site, board, findings, card } = request;
  const { hub, tokenFile, trust } = request.join;
  const abort = new AbortController();
  process.once('SIGTERM', () => abort.abort(new Error('asked to stop')));
  const cardLog = card === undefined ? undefined : new CardLog(card, systemClock);
  const token = (
    await readFile(tokenFile, 'utf8').catch(async (error: unknown) => {
      await cardLog?.write(`cannot join: the claim in ${tokenFile} cannot be read; flash the card again`);
      throw error;
    })
  ).trim();
  const logger = await createLogger({ name: device, level: logLevel, pretty: false });
  const { joinHub } = await import('./link/join.js');
  const options: JoinOptions = {
    hub,
    device,
    anyName,
    site,
    token,
    trust,
    dataDir,
    board,
    findings,
    agentVersion,
    clock: systemClock,
    random: Math.random,
    logger,
    signal: abort.signal,
    progress: (line) => void cardLog?.write(line),
    hubTime: async (time) => {
      if (request.setClock) await clockOf(dataDir, logger).heard(time);
    },
  };
  for (;;) {
    try {
      await joinHub(options);
      await cardLog?.settled();
      return;
    } catch (error) {
      // Nobody watches a board that was flashed, and an operator may yet allow it: it asks again, but seldom.
      if (card === undefined || abort.signal.aborted) throw error;
      const delayMs = Math.round(REFUSED_WAIT_MS * (1 + Math.random()));
      logger.error({ err: error, delayMs }, 'the hub refuses this device; asking again later');
      await systemClock.sleep(delayMs, abort.signal);
    }
  }
}

/** After a refusal that another attempt is not likely to change. */
const REFUSED_WAIT_MS = 300_000;

function clockOf(dataDir: string, logger: Logger): ClockKeeper {
  return new ClockKeeper({ machine: systemMachineClock(), clock: systemClock, dataDir, logger });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // The clock's timers do not keep a process alive, and a retry is nothing but a timer.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await join(JSON.parse(process.argv[2] ?? '{}') as JoinRequest);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    clearInterval(alive);
  }
}
