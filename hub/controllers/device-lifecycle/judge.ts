/**
 * Whether a device is alive: a pure reducer from what is remembered of it and what the link knows now.
 *
 * - Dead: silent for longer than its cadence allows, or gone by its will and not back soon.
 * - Away: a device that has said that its agent is started again is not dead before its time for that is over.
 * - Waiting: no judgement. After a start of the hub nobody is judged before the grace is over, and a device that
 *   was dead is alive again only after it has been heard of without a break for a while; the while doubles with
 *   every death, so a flickering link does not make pods move to and fro.
 *
 * All times are milliseconds of the hub's monotonic clock.
 */
import {
  type CadenceClass,
  cadence,
  HUB_RESTART_GRACE_MS,
  WILL_CONFIRMATION_MS,
} from '#protocol/link/lease-policy.js';
import type { DeviceLiveness } from './liveness.js';

export interface DeviceMemory {
  /** Whether a session was seen since the hub started. */
  readonly met: boolean;
  /** When the present disconnection was first seen; undefined while connected. */
  readonly disconnectedAt: number | undefined;
  /** When it was judged dead; undefined while it is not. */
  readonly deadAt: number | undefined;
  /** When it was last heard of before it died: only news after that can revive it, whatever its cadence is now. */
  readonly diedSilentSince: number;
  /** Since when a device that was dead has been heard of without a break. */
  readonly backSince: number | undefined;
  /** Deaths without a quiet period since. */
  readonly deaths: number;
  /** The class that it was last judged by, and since when: a stricter one binds the device from then on. */
  readonly cadenceClass: CadenceClass | undefined;
  readonly classSince: number;
}

export interface Observation {
  /** undefined: the link knows nothing of it yet. */
  readonly liveness: DeviceLiveness | undefined;
  readonly cadenceClass: CadenceClass;
  /** Start of this hub, or the end of its last stall: silence is counted from there at the earliest. */
  readonly countFrom: number;
  readonly hubStartedAt: number;
  readonly now: number;
}

export interface Judgement {
  readonly verdict: 'alive' | 'waiting' | 'dead';
  readonly memory: DeviceMemory;
  /** When the verdict may change by the mere passing of time. */
  readonly recheckAt: number;
}

const FIRST_STABLE_MS = 3_000;
const LONGEST_STABLE_MS = 60_000;
/** The link tells when a dead device is heard of; looking this often makes sure. */
const DEAD_RECHECK_MS = 5_000;
/** Alive for this long: earlier deaths are forgiven. */
const QUIET_MS = 600_000;

/** `wasDead`: the Node still shows an earlier judgement, perhaps by a hub before this one. */
export function firstMemory(wasDead: boolean): DeviceMemory {
  return {
    met: false,
    disconnectedAt: undefined,
    deadAt: undefined,
    diedSilentSince: 0,
    backSince: undefined,
    deaths: wasDead ? 1 : 0,
    cadenceClass: undefined,
    classSince: 0,
  };
}

/** How long a device must have been back before it is trusted again. */
export function stableAfterMs(deaths: number): number {
  return Math.min(LONGEST_STABLE_MS, FIRST_STABLE_MS * 2 ** Math.max(0, deaths - 1));
}

export function judge(before: DeviceMemory, seen: Observation): Judgement {
  const memory = remember(before, seen);
  const deadFrom = deathTime(memory, seen);
  const lastHeard = seen.liveness?.lastHeard ?? 0;
  const noNews = memory.deadAt !== undefined && lastHeard <= memory.diedSilentSince;
  if (noNews || seen.now >= deadFrom) {
    const deaths = memory.deadAt === undefined ? memory.deaths + 1 : memory.deaths;
    const deadAt = memory.deadAt ?? seen.now;
    const dead = { ...memory, deadAt, deaths, diedSilentSince: lastHeard, backSince: undefined };
    return { verdict: 'dead', memory: dead, recheckAt: seen.now + DEAD_RECHECK_MS };
  }
  const silent = seen.liveness === undefined || !seen.liveness.connected;
  if (silent) {
    const verdict = memory.deadAt === undefined ? 'waiting' : 'dead';
    return { verdict, memory: { ...memory, backSince: undefined }, recheckAt: deadFrom };
  }
  if (memory.deadAt === undefined && memory.deaths === 0)
    return { verdict: 'alive', memory, recheckAt: deadFrom };
  return returning(memory, seen, deadFrom);
}

/** A device that was dead and is heard of: not trusted until it has been stable, then alive. */
function returning(memory: DeviceMemory, seen: Observation, deadFrom: number): Judgement {
  const backSince = memory.backSince ?? seen.now;
  const trustedAt = backSince + stableAfterMs(memory.deaths);
  if (seen.now < trustedAt)
    return { verdict: 'waiting', memory: { ...memory, backSince }, recheckAt: Math.min(trustedAt, deadFrom) };
  const forgiven = seen.now >= backSince + QUIET_MS;
  return {
    verdict: 'alive',
    memory: forgiven
      ? { ...memory, deadAt: undefined, backSince: undefined, deaths: 0 }
      : { ...memory, deadAt: undefined, backSince },
    recheckAt: deadFrom,
  };
}

function remember(last: DeviceMemory, { liveness, cadenceClass, now }: Observation): DeviceMemory {
  const since = last.cadenceClass === undefined ? 0 : now;
  const before = last.cadenceClass === cadenceClass ? last : { ...last, cadenceClass, classSince: since };
  if (liveness === undefined) return before;
  if (liveness.connected) return { ...before, met: true, disconnectedAt: undefined };
  return { ...before, disconnectedAt: before.disconnectedAt ?? now };
}

/** The moment from which the device counts as dead if nothing more is heard of it. */
function deathTime(memory: DeviceMemory, seen: Observation): number {
  const grace = seen.hubStartedAt + HUB_RESTART_GRACE_MS;
  const { liveness, countFrom, cadenceClass } = seen;
  if (liveness === undefined) return Math.max(grace, countFrom + HUB_RESTART_GRACE_MS);
  // A device that was idle until a moment ago was silent by right; from now on it must beat as its pods ask.
  const silence =
    Math.max(liveness.lastHeard, countFrom, memory.classSince) + cadence(cadenceClass).deadAfterMs;
  const { expectedBy = 0 } = liveness;
  if (!memory.met) return Math.max(silence, grace, expectedBy);
  if (memory.disconnectedAt === undefined) return Math.max(silence, expectedBy);
  const confirmed = Math.max(memory.disconnectedAt, countFrom) + WILL_CONFIRMATION_MS;
  return Math.max(Math.min(silence, confirmed), expectedBy);
}
