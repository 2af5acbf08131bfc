/**
 * Decides which devices are offered which release now, from the whole fleet at once. Pure. Never are more devices
 * touched by a release than its percentage allows, nor more at it at one time than `maxInFlight`; at `maxFailures`
 * nothing more is offered and what can still be called off is; removing a device that failed does not set it going
 * again. A device that is not back from its trial in time counts as a failure until it is heard again: a release that
 * kills boards must not go on. Devices that are offline before wait without being counted against anything.
 */
import type { AgentRelease, AgentUpdateFailure } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { DeviceUpdate } from '#protocol/fleet/v1alpha1/device.js';
import {
  byAge,
  type FleetDevice,
  failureToList,
  isOnTrialOf,
  knownFailures,
  type Member,
  memberOf,
  offerOf,
  rank,
  releaseFor,
  type Standing,
} from './assign.js';

export interface Rollout {
  readonly release: AgentRelease;
  readonly members: readonly Member[];
  /** Failures of devices that are no longer of the fleet, or meant for another release now. */
  readonly departed: readonly AgentUpdateFailure[];
  readonly halted: boolean;
  /** A later release took devices from it, and it has none left. */
  readonly superseded: boolean;
}

export type UpdateStep =
  | { readonly kind: 'offer'; readonly device: string; readonly release: string; readonly offer: string }
  | { readonly kind: 'withdraw'; readonly device: string }
  /** The offer had no outcome: it is withdrawn, and its failure put on record. */
  | { readonly kind: 'give-up'; readonly device: string; readonly update: DeviceUpdate };

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
  const rollouts = [...members].map(([release, own], index) => {
    const departed = departedOf(release, own, devices);
    return {
      release,
      members: own,
      departed,
      halted: count(own, 'failed', 'lost') + departed.length >= release.spec.rollout.maxFailures,
      superseded: index > 0 && own.length === 0,
    };
  });
  const wanted = new Map<string, { release: string; offer: string }>();
  const steps: UpdateStep[] = [];
  for (const rollout of rollouts) {
    const { release } = rollout;
    const offer = offerOf(release);
    for (const { device, gaveNoOutcome, reason } of rollout.members)
      if (gaveNoOutcome)
        steps.push({
          kind: 'give-up',
          device: device.name,
          update: {
            offer,
            version: release.spec.version,
            state: 'Failed',
            ...(reason === undefined ? {} : { reason }),
          },
        });
    for (const device of chosen(rollout)) {
      // On trial the device is bound to the offer that it took; it is asked again when that is over.
      if (isOnTrialOf(device, release)) {
        if (device.offered !== undefined) wanted.set(device.name, device.offered);
      } else wanted.set(device.name, { release: release.metadata.name, offer });
    }
  }
  const settled = new Set(steps.map(({ device }) => device));
  for (const device of devices)
    if (!settled.has(device.name)) steps.push(...stepFor(device, wanted.get(device.name)));
  return {
    // Places are given up before they are given away, should it be cut off in between.
    steps: [...steps.filter(({ kind }) => kind !== 'offer'), ...steps.filter(({ kind }) => kind === 'offer')],
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
  if (held) return updating.filter((device) => isOnTrialOf(device, release));
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

const APART: ReadonlySet<Standing> = new Set(['not-updatable', 'ahead']);

/** Whoever may run it speaks for itself. */
function departedOf(
  release: AgentRelease,
  members: readonly Member[],
  devices: readonly FleetDevice[],
): readonly AgentUpdateFailure[] {
  const present = new Set(
    members.filter(({ standing }) => !APART.has(standing)).map(({ device }) => device.name),
  );
  const known = knownFailures(release).filter(({ device }) => !present.has(device));
  const named = new Set(known.map(({ device }) => device));
  const offer = offerOf(release);
  const news = devices.filter(
    ({ name, update }) =>
      update?.offer === offer && update.state === 'Failed' && !present.has(name) && !named.has(name),
  );
  return [...known, ...news.map((device) => failureToList(device, device.update?.reason))];
}

function stepFor(
  { name, offered }: FleetDevice,
  wanted: { release: string; offer: string } | undefined,
): UpdateStep[] {
  if (wanted?.offer === offered?.offer) return [];
  return wanted === undefined
    ? [{ kind: 'withdraw', device: name }]
    : [{ kind: 'offer', device: name, release: wanted.release, offer: wanted.offer }];
}
