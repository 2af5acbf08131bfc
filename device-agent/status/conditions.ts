/** The conditions of a pod, with transition times that change only when a condition does. Pure. */
import type { ContainerStatus, PodCondition, PodSpec, PodStatus } from '#protocol/core/v1/pod.js';
import { formatTime } from '#protocol/meta/time.js';
import type { PodHardware } from '../hardware/pod-hardware.js';
import { containersInOrder } from '../lib/pod-types.js';

import { hardwareCondition } from './hardware-condition.js';

export interface ConditionsInput {
  readonly spec: PodSpec;
  readonly phase: NonNullable<PodStatus['phase']>;
  readonly hardware: PodHardware | undefined;
  readonly statuses: ReadonlyMap<string, ContainerStatus>;
  readonly previous: readonly PodCondition[];
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly now: number;
}

type Draft = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

export function podConditions(input: ConditionsInput): PodCondition[] {
  const ready = containersReady(input);
  const drafts: Draft[] = [initialized(input), ready];
  // What fulfils readiness gates is known to the hub only, which works Ready out for pods that have some.
  if ((input.spec.readinessGates ?? []).length === 0) drafts.splice(1, 0, { ...ready, type: 'Ready' });
  const ended = input.phase === 'Succeeded' || input.phase === 'Failed';
  const hardware = ended ? undefined : hardwareCondition(input.hardware);
  if (hardware !== undefined) drafts.push(hardware);
  return [
    ...drafts.map((draft) => dated(draft, input)),
    { type: 'PodScheduled', status: 'True', lastTransitionTime: formatTime(input.acceptedAt) },
  ];
}

function initialized({ spec, phase, statuses }: ConditionsInput): Draft {
  const type = 'Initialized';
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const mainBegan = spec.containers.some(({ name }) => {
    const status = statuses.get(name);
    return status?.state.running !== undefined || status?.lastState.terminated !== undefined;
  });
  if (mainBegan) return { type, status: 'True' };
  const incomplete = containersInOrder(spec)
    .filter(({ role }) => role !== 'main')
    .filter(({ role, container }) => {
      const status = statuses.get(container.name);
      return role === 'init' ? status?.ready !== true : status?.started !== true;
    })
    .map(({ container }) => container.name);
  if (incomplete.length === 0) return { type, status: 'True' };
  const message = `containers with incomplete status: [${incomplete.join(' ')}]`;
  return { type, status: 'False', reason: 'ContainersNotInitialized', message };
}

function containersReady({ spec, phase, statuses }: ConditionsInput): Draft {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const unready = containersInOrder(spec)
    .filter(({ role, container }) => role !== 'init' && statuses.get(container.name)?.ready !== true)
    .map(({ container }) => container.name);
  if (unready.length === 0) return { type, status: 'True' };
  const message = `containers with unready status: [${unready.join(' ')}]`;
  return { type, status: 'False', reason: 'ContainersNotReady', message };
}

function dated(draft: Draft, { previous, now }: ConditionsInput): PodCondition {
  const before = previous.find((one) => one.type === draft.type);
  const same = before?.status === draft.status && before.lastTransitionTime !== undefined;
  return { ...draft, lastTransitionTime: same ? before.lastTransitionTime : formatTime(now) };
}
