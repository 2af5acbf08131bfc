/**
 * The hub as a process: configuration in, logger, signals, exit code out. SIGTERM and SIGINT drain and stop;
 * so does losing the parent that started it over an IPC channel. Nothing here touches what runs on devices.
 */
import { setFlagsFromString } from 'node:v8';
import type { HubConfig } from './config.js';
import { startHub } from './hub.js';
import { createLogger } from './lib/logger.js';
import { systemClock } from './lib/system-clock.js';

/** The process ends at the latest this long after the signal. */
const LAST_RESORT_MS = 10_000;

/**
 * Garbage is collected once the heap has grown by this share, instead of when it has doubled or tripled: what the
 * hub keeps lives long, so that V8 would otherwise let as much garbage pile up beside it.
 */
const HEAP_GROWTH_PERCENT = 50;

/** Runs a hub until it is told to stop. Resolves with the exit code. */
export async function runHub(config: HubConfig): Promise<number> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
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
