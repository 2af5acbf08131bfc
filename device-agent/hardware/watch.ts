/**
 * Looks again when something is plugged in or out: soon after udev has taken note of it, and once a minute in any
 * case; without udev every few seconds. Watching /dev itself would wake the agent with every write to /dev/null; udev's notes change with
 * devices only, and after their names and links are made.
 */
import { watch } from 'node:fs';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

const UDEV_NOTES = '/run/udev/data';
const INTERVAL_MS = 60_000;
const INTERVAL_WITHOUT_UDEV_MS = 10_000;
/** A hub with ten devices announces them one by one. */
const GATHER_MS = 500;

export interface HardwareWatchOptions {
  readonly scan: () => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls back when something may have changed; undefined where nothing tells. udev's notes unless given. */
  readonly subscribe?: (changed: () => void) => Disposable | undefined;
}

export class HardwareWatch implements Disposable {
  readonly #options: HardwareWatchOptions;
  readonly #subscription: Disposable | undefined;
  #interval: Timer | undefined;
  #gathering: Timer | undefined;
  #failing = false;
  #disposed = false;

  constructor(options: HardwareWatchOptions) {
    this.#options = options;
    this.#subscription = (options.subscribe ?? udevNotes)(() => this.#soon());
    this.#later();
  }

  #soon(): void {
    if (this.#gathering !== undefined || this.#disposed) return;
    this.#gathering = this.#options.clock.setTimer(GATHER_MS, () => {
      this.#gathering = undefined;
      void this.#look();
    });
  }

  #later(): void {
    if (this.#disposed) return;
    this.#interval = this.#options.clock.setTimer(
      this.#subscription === undefined ? INTERVAL_WITHOUT_UDEV_MS : INTERVAL_MS,
      () => void this.#look().then(() => this.#later()),
    );
  }

  /** Never rejects; what cannot be looked at is said once, until it can be again. */
  async #look(): Promise<void> {
    try {
      await this.#options.scan();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#options.logger.warn({ err: error }, 'the hardware of this device could not be looked at');
      this.#failing = true;
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#interval?.cancel();
    this.#gathering?.cancel();
    this.#subscription?.[Symbol.dispose]();
  }
}

function udevNotes(changed: () => void): Disposable | undefined {
  try {
    const watcher = watch(UDEV_NOTES, { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return { [Symbol.dispose]: () => watcher.close() };
  } catch {
    // No udev here, or no watches left: the interval alone finds what has changed.
    return undefined;
  }
}
