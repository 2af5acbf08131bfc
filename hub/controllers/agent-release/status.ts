/** What a rollout's status says of it. Pure. */
import {
  type AgentReleaseStatus,
  type AgentUpdateFailure,
  MAX_LISTED_FAILURES,
  type ReleasePhase,
} from '#protocol/fleet/v1alpha1/agent-release.js';
import { setCondition } from '#protocol/meta/condition.js';
import { formatTime } from '#protocol/meta/time.js';
import { failureToList, type Member, offerOf } from './assign.js';
import { count, type Rollout } from './plan.js';

export function rolloutStatus(rollout: Rollout, now: number): AgentReleaseStatus {
  const { release, members, departed } = rollout;
  const observedGeneration = release.metadata.generation;
  const base = {
    ...release.status,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  };
  // Its devices are another's now; what became of it stays on record.
  const { attempt } = release.spec.rollout;
  const failures = failuresOf(members, departed);
  if (rollout.superseded) {
    const kept = failures.length === 0 ? base : { ...base, attempt, failures: [...failures] };
    return withPhase(kept, 'Superseded', 'a later release is meant for all devices of this one', now);
  }
  const counts = {
    desired: count(members, 'updated', 'failed', 'updating', 'pending', 'lost'),
    updated: count(members, 'updated'),
    updating: count(members, 'updating'),
    failed: count(members, 'failed'),
    pending: count(members, 'pending', 'lost'),
    notUpdatable: count(members, 'not-updatable'),
  };
  const phase = phaseOf(rollout, counts);
  const message = messageOf(rollout, counts, phase, failures);
  return withPhase({ ...base, ...counts, attempt, failures: [...failures] }, phase, message, now);
}

type Counts = Readonly<
  Record<'desired' | 'updated' | 'updating' | 'failed' | 'pending' | 'notUpdatable', number>
>;

function phaseOf({ release, halted }: Rollout, { desired, updated }: Counts): ReleasePhase {
  if (desired === updated) return 'Complete';
  if (halted) return 'Halted';
  return release.spec.rollout.paused ? 'Paused' : 'Progressing';
}

function failuresOf(
  members: readonly Member[],
  departed: readonly AgentUpdateFailure[],
): readonly AgentUpdateFailure[] {
  return [
    ...departed,
    ...members
      .filter(({ standing }) => standing === 'failed')
      .map(({ device, reason }) => failureToList(device, reason)),
  ]
    .sort((a, b) => compare(a.time ?? '', b.time ?? '') || compare(a.device, b.device))
    .slice(0, MAX_LISTED_FAILURES);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function messageOf(
  { release, members, departed }: Rollout,
  { desired, updated, updating, notUpdatable, failed }: Counts,
  phase: ReleasePhase,
  failures: readonly AgentUpdateFailure[],
): string {
  const { percentage, maxFailures } = release.spec.rollout;
  const allowed = Math.ceil((desired * percentage) / 100);
  const [first] = failures;
  const failure = first === undefined ? [] : [`${first.device}: ${first.reason}`];
  const ahead = count(members, 'ahead');
  const offer = offerOf(release);
  const held = members.find(
    ({ standing, device: { update } }) => standing === 'updating' && update?.offer === offer && update.reason,
  );
  const notes = [
    ...(ahead > 0 ? [`${ahead} run a later version, and spec.allowDowngrade is not set`] : []),
    ...(notUpdatable > 0 ? [`${notUpdatable} cannot be updated`] : []),
  ];
  const lost = members.filter(({ standing }) => standing === 'lost').map(({ device }) => device.name);
  const offline = members.filter(({ standing, device }) => standing === 'pending' && !device.online).length;
  const progress =
    phase === 'Complete'
      ? [desired === 0 ? 'no device is to be updated' : `all ${desired} devices run it`]
      : phase === 'Halted'
        ? [
            `halted at ${failed + departed.length + lost.length} of at most ${maxFailures} failures`,
            ...(lost.length > 0 ? [`not back from the trial: ${lost.join(', ')}`] : []),
          ]
        : phase === 'Paused'
          ? ['paused by spec.rollout.paused']
          : [
              `${updated} of ${desired} devices run it`,
              ...(updated + updating + failed >= allowed && percentage < 100
                ? [`${percentage} % is reached`]
                : []),
              ...(offline > 0 ? [`${offline} are offline`] : []),
              ...(held === undefined
                ? []
                : [`${held.device.name} is held up: ${held.device.update?.reason}`]),
            ];
  return [...progress, ...failure, ...notes].join('; ').slice(0, 1_024);
}

function withPhase(
  status: AgentReleaseStatus,
  phase: ReleasePhase,
  message: string,
  now: number,
): AgentReleaseStatus {
  const time = formatTime(now);
  let { conditions } = status;
  for (const type of ['Progressing', 'Halted', 'Complete'] as const)
    conditions = setCondition(
      conditions,
      { type, status: phase === type ? 'True' : 'False', reason: phase, message },
      time,
    );
  return { ...status, phase, message, ...(conditions === undefined ? {} : { conditions }) };
}
