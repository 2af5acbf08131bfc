/**
 * When a container that ended may run again, as kubelet decides it: at once after the first crash, then
 * 10 s, doubling to 5 minutes; a run of 10 minutes makes the next crash the first again.
 */
import type { Termination } from '../desired/pod-records.js';

const INITIAL_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;
/** A run at least this long ends a row of crashes. */
const RESET_AFTER_MS = 600_000;

/** Crashes in a row, this end included. `streak`: before this run. */
export function nextStreak(streak: number, ended: Termination): number {
  const { startedAt, finishedAt } = ended;
  const ranMs = startedAt === undefined || finishedAt === undefined ? 0 : finishedAt - startedAt;
  return ranMs >= RESET_AFTER_MS ? 1 : streak + 1;
}

/** Milliseconds between the end of a run and the next one, after `streak` crashes in a row. */
export function restartDelay(streak: number): number {
  if (streak <= 1) return 0;
  return Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** Math.min(streak - 2, 10));
}

export interface ElapsedInput {
  /** Wall clock now, milliseconds since the epoch. */
  readonly now: number;
  /** Wall clock when the run ended, if known. */
  readonly finishedAt: number | undefined;
  /** Monotonic time since this agent first saw the end. */
  readonly seenForMs: number;
}

/**
 * Milliseconds of `delayMs` that are left. A wall clock that was set back since the end is ignored in
 * favour of the time that this agent has itself measured, so that a wait never outlasts the delay.
 */
export function remainingDelay(delayMs: number, elapsed: ElapsedInput): number {
  const byWall = elapsed.finishedAt === undefined ? 0 : Math.max(0, elapsed.now - elapsed.finishedAt);
  return Math.max(0, delayMs - Math.max(byWall, elapsed.seenForMs));
}

/** The delay as kubelet prints it in CrashLoopBackOff messages: `10s`, `1m20s`, `5m0s`. */
export function formatDelay(delayMs: number): string {
  const seconds = Math.round(delayMs / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
