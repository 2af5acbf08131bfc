/**
 * Time as an injected dependency. Nothing outside this file and the two system clocks
 * (`hub/lib/system-clock.ts`, `device-agent/lib/system-clock.ts`) calls Date.now() or setTimeout;
 * tests pass a fake clock and never sleep.
 */

/** No clock that is right shows less: it is older than Covey. A board without a clock battery starts before it. */
export const EARLIEST_TIME = Date.UTC(2026, 0, 1);

/** Handle of a pending timer; disposing it cancels the timer. Cancelling twice is harmless. */
export interface Timer extends Disposable {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. May jump; never use it for durations. */
  now(): number;
  /** Monotonic time in milliseconds from an arbitrary origin; never goes back. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs` milliseconds. Does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after `delayMs` milliseconds; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}
