/**
 * Decides which devices are offered which release now, from the whole fleet at once. Pure. Never are more devices
 * touched by a release than its percentage allows, nor more at it at one time than `maxInFlight`; at `maxFailures`
 * nothing more is offered and what can still be called off is. Devices that are offline wait without being counted
 * against anything.
 */
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import { byAge, type FleetDevice, type Member, memberOf, offerOf, rank, releaseFor } from './assign.js';

export interface Rollout {
  readonly release: AgentRelease;
  readonly members: readonly Member[];
  readonly halted: boolean;
  /** A later release took devices from it, and it has none left. */
  readonly superseded: boolean;
}

export type UpdateStep =
  | { readonly kind: 'offer'; readonly device: string; readonly release: string; readonly offer: string }
  | { readonly kind: 'withdraw'; readonly device: string };

export interface FleetPlan {
  readonly steps: readonly UpdateStep[];
  readonly rollouts: readonly Rollout[];
  /** Something may change by time alone. */
  readonly watchTime: boolean;
}

export function planFleet(
  releases: readonly AgentRelease[],
  devices: readonly FleetDevice[],
  now: number,
): FleetPlan {
  const ordered = byAge(releases);
  const members = new Map<AgentRelease, Member[]>(ordered.map((release) => [release, []]));
  for (const device of devices) {
    const release = releaseFor(device, ordered);
    if (release !== undefined) members.get(release)?.push(memberOf(device, release, now));
  }
  const rollouts = [...members].map(([release, own], index) => ({
    release,
    members: own,
    halted: count(own, 'failed') >= release.spec.rollout.maxFailures,
    superseded: index > 0 && own.length === 0,
  }));
  const wanted = new Map<string, { release: string; offer: string }>();
  for (const rollout of rollouts) {
    const offer = offerOf(rollout.release);
    for (const { name } of chosen(rollout))
      wanted.set(name, { release: rollout.release.metadata.name, offer });
  }
  return {
    steps: devices.flatMap((device) => stepFor(device, wanted.get(device.name))),
    rollouts,
    watchTime: rollouts.some((rollout) => count(rollout.members, 'updating') > 0),
  };
}

export function count(members: readonly Member[], ...standings: ReadonlyArray<Member['standing']>): number {
  return members.filter(({ standing }) => standings.includes(standing)).length;
}

/** Devices that the release is offered to: those at it, and as many more as are allowed. */
function chosen({ release, members, halted }: Rollout): readonly FleetDevice[] {
  const { percentage, maxInFlight, paused } = release.spec.rollout;
  const held = halted || paused;
  const updating = members.filter(({ standing }) => standing === 'updating').map(({ device }) => device);
  // On trial it is too late to call it off.
  if (held) return updating.filter(({ update }) => isOnTrial(update?.state));
  const touched = count(members, 'updated', 'failed', 'updating', 'lost');
  const desired = touched + count(members, 'pending');
  const room = Math.min(Math.ceil((desired * percentage) / 100) - touched, maxInFlight - updating.length);
  const next = members
    .filter(({ device, standing }) => standing === 'pending' && device.online)
    .map(({ device }) => ({ device, rank: rank(device.name, release) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, Math.max(0, room))
    .map(({ device }) => device);
  return [...updating, ...next];
}

function isOnTrial(state: string | undefined): boolean {
  return state === 'OnTrial';
}

function stepFor(
  { name, offered }: FleetDevice,
  wanted: { release: string; offer: string } | undefined,
): UpdateStep[] {
  if (wanted?.offer === offered?.offer) return [];
  return wanted === undefined
    ? [{ kind: 'withdraw', device: name }]
    : [{ kind: 'offer', device: name, ...wanted }];
}
