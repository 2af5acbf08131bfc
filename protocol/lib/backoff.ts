/**
 * Exponential back-off with full jitter. Pure: the caller keeps the attempt count and supplies randomness.
 */
export interface BackoffOptions {
  /** Delay of the first retry in milliseconds, before jitter. */
  readonly initialMs: number;
  /** Upper bound of the delay in milliseconds. */
  readonly maxMs: number;
  /** Growth per attempt; 2 unless given. */
  readonly factor?: number;
  /** Part of the delay that is random, 0 to 1; 0.5 unless given. */
  readonly jitter?: number;
}

/** Delay in milliseconds before retry number `attempt` (0 is the first retry). */
export function backoffDelay(options: BackoffOptions, attempt: number, random: () => number): number {
  const { initialMs, maxMs, factor = 2, jitter = 0.5 } = options;
  const ceiling = Math.min(maxMs, initialMs * factor ** Math.min(attempt, 64));
  return Math.round(ceiling * (1 - jitter) + ceiling * jitter * random());
}
