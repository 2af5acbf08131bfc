/**
 * The hub as a process: configuration in, logger, signals, exit code out. SIGTERM and SIGINT drain and stop;
 * so does losing the parent that started it over an IPC channel. Nothing here touches what runs on devices.
 */
import type { HubConfig } from './config.js';
import { startHub } from './hub.js';
import { createLogger } from './lib/logger.js';
import { systemClock } from './lib/system-clock.js';

/** The process ends at the latest this long after the signal. */
const LAST_RESORT_MS = 10_000;

/** Runs a hub until it is told to stop. Resolves with the exit code. */
export async function runHub(config: HubConfig): Promise<number> {
  const logger = createLogger({ name: 'hub', level: config.logLevel, pretty: config.logPretty });
  const stop = stopSignal();
  try {
    await using hub = await startHub(config, systemClock, logger);
    await stop;
    logger.info({ server: hub.server }, 'stopping');
    systemClock.setTimer(LAST_RESORT_MS, () => {
      logger.error({}, 'not everything stopped in time; ending anyway');
      process.exit(1);
    });
  } catch (error) {
    logger.debug({ err: error }, 'the hub cannot run');
    process.stderr.write(`covey hub: ${(error as Error).message}\n`);
    return 1;
  }
  logger.info({}, 'stopped');
  return 0;
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve()).once('SIGINT', () => resolve());
    if (process.channel === undefined) return;
    process.once('disconnect', () => resolve());
    // Waiting for the parent's end must not keep a hub alive that has stopped for another reason.
    process.channel.unref();
  });
}
