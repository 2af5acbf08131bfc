/**
 * The guard against evicting a whole fleet because the hub's own link is broken. When more than half of the
 * devices, and more than two, vanish within moments of each other, evictions of that cohort wait a minute and
 * then go one device at a time. One or two dead devices, in a fleet of any size, are never held back. Pure.
 */
export interface FleetMember {
  readonly device: string;
  /** Monotonic milliseconds. */
  readonly lastHeard: number;
  readonly beatInterval: number;
  /** Judged dead, or overdue: not heard of for two beats. */
  readonly missing: boolean;
}

const HOLD_MS = 60_000;
const PACE_MS = 10_000;
const MOMENTS_MS = 10_000;

export function isOverdue(lastHeard: number, beatInterval: number, now: number): boolean {
  return now - lastHeard > 2 * beatInterval;
}

/** Monotonic time from which a dead device's pods may be evicted; undefined when nothing holds them back. */
export function evictionsHeldUntil(device: string, fleet: readonly FleetMember[]): number | undefined {
  const self = fleet.find((member) => member.device === device);
  if (self === undefined) return undefined;
  const present = fleet.filter((member) => !member.missing).length;
  const cohort = fleet
    .filter((member) => member.missing && togetherWith(self, member))
    .sort((a, b) => a.lastHeard - b.lastHeard || (a.device < b.device ? -1 : 1));
  if (cohort.length <= 2 || cohort.length <= (present + cohort.length) / 2) return undefined;
  const last = Math.max(...cohort.map((member) => member.lastHeard + member.beatInterval));
  return last + HOLD_MS + cohort.indexOf(self) * PACE_MS;
}

function togetherWith(a: FleetMember, b: FleetMember): boolean {
  return Math.abs(a.lastHeard - b.lastHeard) <= MOMENTS_MS + Math.max(a.beatInterval, b.beatInterval);
}
