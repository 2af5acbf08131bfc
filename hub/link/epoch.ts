/**
 * What session epochs the hub gives and takes. A device counts its connections, above a base that it is told when
 * it joins; a number that it cannot have reached would, once believed, make all that it says later stale.
 */

/** Counted from 2026, because an epoch travels with every message. */
const EPOCH_ORIGIN_MS = Date.UTC(2026, 0, 1);
/**
 * Half a year of a connection every second. An agent that is started anew skips up to a hundred numbers (it writes
 * them down in blocks), so one that crashes every five seconds, out of the hub's sight, has ten days.
 */
const MARGIN = 2 ** 24;

/** Seconds: a device that joins again starts above all epochs of its former life, one connection a second. */
export function epochBase(nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - EPOCH_ORIGIN_MS) / 1000));
}

/** The highest epoch that a device may come with. `last` is that of its last session; it counts on from there. */
export function highestEpoch(nowMs: number, last: number | undefined): number {
  return Math.max(epochBase(nowMs), last ?? 0) + MARGIN;
}
