/** When to look whether the certificate has run out while the device was away: after a few failed connections, and seldom. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { DeviceIdentity } from './identity.js';

export interface LateRenewalOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly identity: () => DeviceIdentity;
  readonly replaced: (identity: DeviceIdentity) => void;
  readonly hubTimeHeard: (time: number) => void;
}

const AFTER_FAILURES = 3;
const TRY_AGAIN_MS = 600_000;

export class LateRenewal implements Disposable {
  readonly #options: LateRenewalOptions;
  readonly #stop = new AbortController();
  #failures = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  #busy = false;

  constructor(options: LateRenewalOptions) {
    this.#options = options;
  }

  connected(): void {
    this.#failures = 0;
  }

  /** A connection to the broker was not made. */
  connectFailed(): void {
    const { clock, logger } = this.#options;
    this.#failures += 1;
    if (this.#failures < AFTER_FAILURES || this.#busy) return;
    if (clock.monotonic() - this.#triedAt < TRY_AGAIN_MS) return;
    this.#triedAt = clock.monotonic();
    this.#busy = true;
    this.#renew()
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          logger.debug({ err: error }, 'the hub could not be asked for the time');
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  async #renew(): Promise<void> {
    // Needed after months away, or never: not kept in memory for that.
    const { renewExpired } = await import('./renew-expired.js');
    await renewExpired(this.#options, this.#stop.signal);
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the link is being stopped'));
  }
}
