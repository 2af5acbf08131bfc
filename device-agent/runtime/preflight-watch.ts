/**
 * What the board lacks, looked for at the start and once an hour: each finding is logged when it is new and
 * told to the hub. A look that fails changes nothing.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type BoardFinding, MAX_FINDING_MESSAGE, MAX_FINDINGS } from '#protocol/link/board-finding.js';
import type { Finding } from './preflight.js';

export interface PreflightWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What was found before the agent started; comes first. */
  readonly earlier?: () => Promise<readonly BoardFinding[]>;
  /** Loaded for each look, so that the agent does not hold what it needs once an hour. */
  readonly preflight: () => Promise<readonly Finding[]>;
}

const EVERY_MS = 3_600_000;
const LEVEL = { error: 'error', warning: 'warn', repaired: 'info' } as const;

export class PreflightWatch implements Disposable {
  readonly #options: PreflightWatchOptions;
  #findings: readonly BoardFinding[] = [];
  #timer: Timer | undefined;
  #disposed = false;

  constructor(options: PreflightWatchOptions) {
    this.#options = options;
  }

  get findings(): readonly BoardFinding[] {
    return this.#findings;
  }

  /** Looks now, and then again and again. Never rejects. */
  async run(): Promise<void> {
    this.#timer?.cancel();
    const { clock, logger, preflight, earlier } = this.#options;
    try {
      const before = (await earlier?.()) ?? [];
      const own = (await preflight()).map(forHub);
      // Of two words on the same thing the earlier says what was done about it.
      const news = own.filter(({ check }) => !before.some((known) => known.check === check));
      const found = [...before, ...news].slice(0, MAX_FINDINGS);
      for (const finding of found) {
        const known = this.#findings.some(({ message }) => message === finding.message);
        if (!known) logger[LEVEL[finding.severity]]({ ...finding }, 'preflight');
      }
      this.#findings = found;
    } catch (error) {
      logger.warn({ err: error }, 'the board could not be checked');
    }
    if (!this.#disposed) this.#timer = clock.setTimer(EVERY_MS, () => void this.run());
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }
}

function forHub({ check, severity, message, fix }: Finding): BoardFinding {
  const text = fix === undefined ? message : `${message} (${fix})`;
  return { check, severity, message: text.slice(0, MAX_FINDING_MESSAGE) };
}
