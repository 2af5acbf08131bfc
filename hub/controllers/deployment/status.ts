/**
 * A Deployment's status and its conditions (Available, Progressing, ReplicaFailure), with the reasons by which
 * `kubectl rollout status` tells success, progress and failure. Pure.
 */
import type { Deployment, DeploymentCondition, DeploymentStatus } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { findCondition } from '#protocol/meta/condition.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import { bounds } from './replica-math.js';

export interface StatusInputs {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  /** Whether this round moved a rollout on; pausing and scaling leave the Progressing condition alone. */
  readonly rollout: boolean;
  /** The set that this round creates. */
  readonly created: string | undefined;
  readonly now: number;
}

export interface StatusResult {
  readonly status: DeploymentStatus;
  /** When the progress deadline may have passed. */
  readonly recheckAfterMs: number | undefined;
}

const NO_DEADLINE = 2 ** 31 - 1;

export function planStatus(inputs: StatusInputs): StatusResult {
  const { deployment, current, old, now } = inputs;
  const counts = countReplicas(deployment, current, old);
  let conditions: readonly DeploymentCondition[] = deployment.status.conditions ?? [];
  conditions = withCondition(conditions, availability(deployment, counts), now);
  conditions = pauseConditions(deployment, conditions, now);
  if (inputs.rollout) conditions = progressConditions(inputs, counts, conditions);
  conditions = failureConditions(current, old, conditions);
  const { collisionCount } = deployment.status;
  return {
    status: {
      ...(deployment.metadata.generation === undefined
        ? {}
        : { observedGeneration: deployment.metadata.generation }),
      ...present(counts),
      ...(conditions.length === 0 ? {} : { conditions: [...conditions] }),
      ...(collisionCount === undefined ? {} : { collisionCount }),
    },
    recheckAfterMs: untilDeadline(deployment, conditions, now),
  };
}

/** Whether every replica is of the current template and available. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const { replicas } = deployment.spec;
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas
  );
}

interface Counts {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
  readonly unavailableReplicas: number;
}

function countReplicas(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Counts {
  const all = current === undefined ? old : [...old, current];
  const sum = (of: (set: ReplicaSet) => number | undefined) =>
    all.reduce((total, set) => total + (of(set) ?? 0), 0);
  const availableReplicas = sum((set) => set.status.availableReplicas);
  return {
    replicas: sum((set) => set.status.replicas),
    updatedReplicas: current?.status.replicas ?? 0,
    readyReplicas: sum((set) => set.status.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(
      0,
      Math.max(
        deployment.spec.replicas,
        sum((set) => set.spec.replicas),
      ) - availableReplicas,
    ),
  };
}

function present(counts: Counts): Partial<Counts> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

function availability(deployment: Deployment, counts: Counts): Change {
  const enough = counts.availableReplicas >= deployment.spec.replicas - bounds(deployment).maxUnavailable;
  return enough
    ? change('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.')
    : change(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
      );
}

function pauseConditions(
  deployment: Deployment,
  conditions: readonly DeploymentCondition[],
  now: number,
): readonly DeploymentCondition[] {
  if (!hasDeadline(deployment)) return conditions;
  const known = findCondition(conditions, 'Progressing');
  if (known?.reason === 'ProgressDeadlineExceeded') return conditions;
  const wasPaused = known?.reason === 'DeploymentPaused';
  if (deployment.spec.paused === true && !wasPaused)
    return withCondition(
      conditions,
      change('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused'),
      now,
    );
  if (deployment.spec.paused !== true && wasPaused)
    return withCondition(
      conditions,
      change('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed'),
      now,
    );
  return conditions;
}

function progressConditions(
  inputs: StatusInputs,
  counts: Counts,
  conditions: readonly DeploymentCondition[],
): readonly DeploymentCondition[] {
  const { deployment, current, created, now } = inputs;
  if (!hasDeadline(deployment)) return conditions.filter((condition) => condition.type !== 'Progressing');
  if (created !== undefined)
    return withCondition(
      conditions,
      change('Progressing', 'True', 'NewReplicaSetCreated', `Created new replica set "${created}"`),
      now,
    );
  const known = findCondition(conditions, 'Progressing');
  const subject =
    current === undefined
      ? `Deployment "${deployment.metadata.name}"`
      : `ReplicaSet "${current.metadata.name}"`;
  const settled = counts.replicas === counts.updatedReplicas && known?.reason === 'NewReplicaSetAvailable';
  if (settled) return conditions;
  if (isComplete(deployment, counts))
    return withCondition(
      conditions,
      change('Progressing', 'True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`),
      now,
    );
  if (hasProgressed(deployment.status, counts)) {
    const moving = change('Progressing', 'True', 'ReplicaSetUpdated', `${subject} is progressing.`);
    return withCondition(conditions, moving, now, { refresh: true });
  }
  if (known === undefined)
    return current === undefined
      ? conditions
      : withCondition(
          conditions,
          change(
            'Progressing',
            'True',
            'FoundNewReplicaSet',
            `Found new replica set "${current.metadata.name}"`,
          ),
          now,
        );
  if (!hasTimedOut(deployment, known, now)) return conditions;
  return withCondition(
    conditions,
    change('Progressing', 'False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`),
    now,
  );
}

function hasProgressed(before: DeploymentStatus, after: Counts): boolean {
  const updated = before.updatedReplicas ?? 0;
  return (
    after.updatedReplicas > updated ||
    after.replicas - after.updatedReplicas < (before.replicas ?? 0) - updated ||
    after.readyReplicas > (before.readyReplicas ?? 0) ||
    after.availableReplicas > (before.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, progressing: DeploymentCondition, now: number): boolean {
  if (progressing.reason === 'NewReplicaSetAvailable') return false;
  if (progressing.reason === 'ProgressDeadlineExceeded') return true;
  const since = parseTime(progressing.lastUpdateTime) ?? now;
  return now - since > deployment.spec.progressDeadlineSeconds * 1000;
}

function untilDeadline(
  deployment: Deployment,
  conditions: readonly DeploymentCondition[],
  now: number,
): number | undefined {
  const known = findCondition(conditions, 'Progressing');
  if (!hasDeadline(deployment) || deployment.spec.paused === true || known === undefined) return undefined;
  if (known.reason === 'NewReplicaSetAvailable' || known.reason === 'ProgressDeadlineExceeded')
    return undefined;
  const since = parseTime(known.lastUpdateTime) ?? now;
  return Math.max(0, since + deployment.spec.progressDeadlineSeconds * 1000 - now) + 1_000;
}

function hasDeadline(deployment: Deployment): boolean {
  return deployment.spec.progressDeadlineSeconds < NO_DEADLINE;
}

/** A set that cannot create its pods lets its Deployment say so. */
function failureConditions(
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  conditions: readonly DeploymentCondition[],
): readonly DeploymentCondition[] {
  const others = conditions.filter((condition) => condition.type !== 'ReplicaFailure');
  const failing = [...(current === undefined ? [] : [current]), ...old].flatMap((set) =>
    (set.status.conditions ?? []).filter((condition) => condition.type === 'ReplicaFailure'),
  );
  const first = failing[0];
  if (first === undefined) return others;
  const { lastTransitionTime } = first;
  return [
    ...others,
    { ...first, ...(lastTransitionTime === undefined ? {} : { lastUpdateTime: lastTransitionTime }) },
  ];
}

interface Change {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function change(type: string, status: string, reason: string, message: string): Change {
  return { type, status, reason, message };
}

/** Times move only when status or reason does; `refresh` moves the update time in any case (the deadline counts from it). */
function withCondition(
  conditions: readonly DeploymentCondition[],
  next: Change,
  now: number,
  options: { readonly refresh?: boolean } = {},
): readonly DeploymentCondition[] {
  const before = findCondition(conditions, next.type);
  if (before?.status === next.status && before.reason === next.reason && options.refresh !== true)
    return conditions;
  const time = formatTime(now);
  const kept = before?.status === next.status ? before.lastTransitionTime : undefined;
  const settled: DeploymentCondition = { ...next, lastUpdateTime: time, lastTransitionTime: kept ?? time };
  if (before === undefined) return [...conditions, settled];
  return conditions.map((condition) => (condition.type === next.type ? settled : condition));
}
