/**
 * The wall clock of a board without a battery for it. It starts in 1970 or at the image's date: at the agent's
 * start it is set to the last time that was noted on disk, and then to the hub's, which is believed only from a
 * connection that the hub's authority vouches for. A clock that something else keeps right (NTP) is left alone,
 * and so is one that is off by less than ten seconds. What is noted is the modification time of one file, once an
 * hour and at the end: one write of an inode. Durations are measured by the monotonic clock everywhere, so a
 * jump of decades changes no wait and no lease.
 */
import { access, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, EARLIEST_TIME, type Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { runCommand } from '../lib/command.js';
import { orMissing } from '../lib/errno.js';

/** The machine's clock. */
export interface MachineClock {
  /** Sets it; rejects when that is not allowed. */
  set(timeMs: number): Promise<void>;
  /** Whether something else keeps it right. */
  synchronized(): Promise<boolean>;
}

export interface ClockKeeperOptions {
  readonly machine: MachineClock;
  readonly clock: Clock;
  readonly dataDir: string;
  readonly logger: Logger;
}

const LATEST_TIME = Date.UTC(2100, 0, 1);
const TOLERANCE_MS = 10_000;
const NOTE_EVERY_MS = 3_600_000;
/** A clock that cannot be set, or that is kept by something else, is not looked after more often. */
const TRY_AGAIN_MS = 600_000;
const FILE = 'clock';

export class ClockKeeper implements AsyncDisposable {
  readonly #options: ClockKeeperOptions;
  #triedAt = Number.NEGATIVE_INFINITY;
  #busy = false;
  /** The hub has said that the clock is right, or what keeps it is believed more. */
  #trusted = false;
  #timer: Timer | undefined;

  constructor(options: ClockKeeperOptions) {
    this.#options = options;
  }

  /** Sets the clock to the last time noted, if it is behind that; notes the time from now on. */
  async restore(): Promise<void> {
    const noted = await this.#noted();
    if (noted !== undefined && this.#options.clock.now() < noted)
      await this.#set(noted, 'the last time that was noted');
    this.#noteLater();
  }

  /** The hub's time, heard just now. Never rejects. */
  async heard(timeMs: number): Promise<void> {
    const { clock, machine } = this.#options;
    if (!isPlausible(timeMs)) return;
    if (Math.abs(timeMs - clock.now()) <= TOLERANCE_MS) return this.#trust();
    if (this.#busy || clock.monotonic() - this.#triedAt < TRY_AGAIN_MS) return;
    this.#busy = true;
    try {
      const heardAt = clock.monotonic();
      if (await machine.synchronized()) {
        this.#triedAt = clock.monotonic();
        return await this.#trust();
      }
      this.#trusted = false;
      await this.#set(timeMs + (clock.monotonic() - heardAt), 'the time of the hub');
      await this.#note();
    } finally {
      this.#busy = false;
    }
  }

  /** Notes the time on disk, unless a later one is there that may be right. Never rejects. */
  async note(): Promise<void> {
    const noted = await this.#noted();
    if (noted === undefined || noted <= this.#options.clock.now() || this.#trusted) await this.#note();
  }

  /** A time on disk that is yet to come was noted by a clock that was wrong: the next start must not be set to it. */
  async #trust(): Promise<void> {
    if (this.#trusted) return;
    this.#trusted = true;
    const noted = await this.#noted();
    if (noted !== undefined && noted > this.#options.clock.now() + TOLERANCE_MS) await this.#note();
  }

  /** The time noted on disk, if it can be one. */
  async #noted(): Promise<number | undefined> {
    const { dataDir, logger } = this.#options;
    try {
      const noted = (await orMissing(stat(join(dataDir, FILE))))?.mtimeMs;
      return noted !== undefined && isPlausible(noted) ? noted : undefined;
    } catch (error) {
      logger.warn({ err: error }, 'the time noted on disk cannot be read');
      return undefined;
    }
  }

  async #note(): Promise<void> {
    const { clock, dataDir, logger } = this.#options;
    const now = clock.now();
    if (!isPlausible(now)) return;
    try {
      const file = await open(join(dataDir, FILE), 'a', 0o600);
      try {
        await file.utimes(now / 1000, now / 1000);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      logger.warn({ err: error }, 'the time could not be noted on disk');
    }
  }

  async #set(timeMs: number, what: string): Promise<void> {
    const { clock, machine, logger } = this.#options;
    this.#triedAt = clock.monotonic();
    const before = clock.now();
    try {
      await machine.set(timeMs);
      // It is right now; the next difference is worth acting on at once.
      this.#triedAt = Number.NEGATIVE_INFINITY;
      const [from, to] = [before, timeMs].map((time) => new Date(time).toISOString());
      logger.info({ from, to }, `the clock was set to ${what}`);
    } catch (error) {
      logger.warn({ err: error, offMs: Math.round(timeMs - before) }, 'the clock is wrong and cannot be set');
    }
  }

  #noteLater(): void {
    this.#timer = this.#options.clock.setTimer(NOTE_EVERY_MS, () => {
      void this.note().then(() => this.#noteLater());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    await this.note();
  }
}

function isPlausible(timeMs: number): boolean {
  return timeMs >= EARLIEST_TIME && timeMs < LATEST_TIME;
}

/** Where systemd-timesyncd says that it has heard a time server. */
const TIMESYNC_FLAG = '/run/systemd/timesync/synchronized';

/** This machine's clock, by the programs that Debian and busybox have. */
export function systemMachineClock(run: typeof runCommand = runCommand): MachineClock {
  return {
    async set(timeMs) {
      await run('date', ['-u', '-s', `@${Math.round(timeMs / 1000)}`], { timeoutMs: 10_000 });
    },
    async synchronized() {
      if (await exists(TIMESYNC_FLAG)) return true;
      // The kernel's own word, which chrony and ntpd keep as well; without a program that tells it, it counts as no.
      for (const [program = '', ...args] of KERNEL_CLOCK) {
        const status = await run(program, args, { timeoutMs: 10_000 }).catch(() => undefined);
        const bits = /status:\s*(\d+)/.exec(status ?? '')?.[1];
        if (bits !== undefined) return (Number(bits) & STA_UNSYNC) === 0;
      }
      return false;
    },
  };
}

const KERNEL_CLOCK = [
  ['busybox', 'adjtimex'],
  ['adjtimex', '--print'],
];
/** timex.h: the clock is not synchronised. */
const STA_UNSYNC = 0x40;

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
