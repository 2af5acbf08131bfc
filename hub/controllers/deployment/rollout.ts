/**
 * The next sizes of a Deployment's ReplicaSets: one safe move of a rolling update, of a recreation, or of a
 * change of size. Pure. A move is computed from what is really available now, so the loop is: move, wait for
 * pods, move again.
 *
 * Safety: no move lets the available pods fall below replicas − maxUnavailable by the controller's own doing,
 * and none lets the sets' sizes together exceed replicas + maxSurge.
 */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { ANNOTATION } from '#protocol/core/v1/well-known.js';
import { bounds, newSetSize, shareOut, totalAvailable, totalReplicas } from './replica-math.js';

/** New sizes by set name; sets that keep theirs are absent. */
export type Sizes = ReadonlyMap<string, number>;

const NO_CHANGE: Sizes = new Map();

/** Whether the Deployment's size was changed since its sets were last scaled. */
export function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = set.metadata.annotations?.[ANNOTATION.deploymentDesiredReplicas];
    return set.spec.replicas > 0 && desired !== undefined && Number(desired) !== deployment.spec.replicas;
  });
}

/** A change of size, shared out over the sets of a rollout that may be under way or paused. */
export function scaleSizes(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Sizes {
  const all = current === undefined ? old : [...old, current];
  const active = all.filter((set) => set.spec.replicas > 0);
  if (active.length <= 1) {
    const only = active[0] ?? current ?? old.at(-1);
    return only === undefined
      ? NO_CHANGE
      : changed(all, new Map([[only.metadata.name, deployment.spec.replicas]]));
  }
  if (current !== undefined && isSaturated(deployment, current))
    return changed(all, new Map(old.map((set) => [set.metadata.name, 0])));
  if (deployment.spec.strategy.type === 'Recreate') return NO_CHANGE;
  return changed(all, shareOut(deployment, active));
}

/** Whether a set has taken over entirely. */
function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const { replicas } = deployment.spec;
  const desired = Number(set.metadata.annotations?.[ANNOTATION.deploymentDesiredReplicas]);
  return (
    set.spec.replicas === replicas && desired === replicas && (set.status.availableReplicas ?? 0) === replicas
  );
}

/** The next move of a rolling update: first grow the new set, then shrink the old ones. */
export function rollingSizes(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const { replicas } = deployment.spec;
  const all = [...old, current];
  const size =
    current.spec.replicas > replicas ? replicas : newSetSize(deployment, all, current.spec.replicas);
  if (size !== current.spec.replicas) return new Map([[current.metadata.name, size]]);
  return shrinkOld(deployment, current, old);
}

/** The next move of a recreation: everything old goes first; the new set grows once no old pod runs any more. */
export function recreateSizes(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  oldPodsRunning: boolean,
): Sizes {
  const shrunk = changed(old, new Map(old.map((set) => [set.metadata.name, 0])));
  if (shrunk.size > 0 || oldPodsRunning || current === undefined) return shrunk;
  return changed([current], new Map([[current.metadata.name, deployment.spec.replicas]]));
}

function shrinkOld(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  if (totalReplicas(old) === 0) return NO_CHANGE;
  const minAvailable = deployment.spec.replicas - bounds(deployment).maxUnavailable;
  const newUnavailable = current.spec.replicas - (current.status.availableReplicas ?? 0);
  const most = totalReplicas([...old, current]) - minAvailable - newUnavailable;
  if (most <= 0) return NO_CHANGE;
  const sizes = new Map(old.map((set) => [set.metadata.name, set.spec.replicas]));
  // Pods that are not available are worth nothing: they go first and cost no availability.
  let removed = 0;
  for (const set of old) {
    const idle = set.spec.replicas - (set.status.availableReplicas ?? 0);
    const take = Math.max(0, Math.min(most - removed, idle));
    sizes.set(set.metadata.name, set.spec.replicas - take);
    removed += take;
  }
  let spare = Math.min(most - removed, totalAvailable([...old, current]) - minAvailable);
  for (const set of old) {
    const size = sizes.get(set.metadata.name) ?? 0;
    const take = Math.max(0, Math.min(spare, size));
    sizes.set(set.metadata.name, size - take);
    spare -= take;
  }
  return changed(old, sizes);
}

function changed(sets: readonly ReplicaSet[], sizes: Sizes): Sizes {
  const result = new Map<string, number>();
  for (const set of sets) {
    const size = sizes.get(set.metadata.name);
    if (size !== undefined && size !== set.spec.replicas) result.set(set.metadata.name, size);
  }
  return result;
}
