/** Work that is done again and again, far apart, for as long as the owner lives; a failure waits for the next time. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

export interface PeriodicWork {
  /** For the log. */
  readonly name: string;
  readonly intervalMs: number;
  readonly work: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The first run is one interval from now. Disposing waits for a run under way. */
export function periodically({ name, intervalMs, work, clock, logger }: PeriodicWork): AsyncDisposable {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      try {
        await clock.sleep(intervalMs, stop.signal);
        await work();
      } catch (error) {
        if (!stop.signal.aborted)
          logger.warn({ err: error }, `${name} failed; next attempt in ${intervalMs / 1000} s`);
      }
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
