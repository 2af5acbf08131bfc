/**
 * The arithmetic of rolling updates: how far a Deployment may grow and shrink at any moment, and how a change
 * of size is shared out over several ReplicaSets. Pure numbers.
 */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { ANNOTATION } from '#protocol/core/v1/well-known.js';

export interface Bounds {
  /** Pods above the wanted number that may exist. */
  readonly maxSurge: number;
  /** Pods below the wanted number that may be missing. */
  readonly maxUnavailable: number;
}

/** Surge is rounded up, unavailability down; both zero would stop every rollout, so then one may be missing. */
export function bounds(deployment: Deployment): Bounds {
  const { strategy, replicas } = deployment.spec;
  if (strategy.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const maxSurge = scaled(strategy.rollingUpdate?.maxSurge ?? '25%', replicas, Math.ceil);
  const maxUnavailable = scaled(strategy.rollingUpdate?.maxUnavailable ?? '25%', replicas, Math.floor);
  if (replicas === 0) return { maxSurge, maxUnavailable: 0 };
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge, maxUnavailable: 1 };
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

function scaled(value: number | string, total: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value);
  if (percent !== null) return round((Number(percent[1]) * total) / 100);
  const plain = Number(value);
  return Number.isSafeInteger(plain) ? plain : 0;
}

export function totalReplicas(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + set.spec.replicas, 0);
}

export function totalAvailable(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + (set.status.availableReplicas ?? 0), 0);
}

/** How large the new set may be now, given what the others still have. */
export function newSetSize(deployment: Deployment, all: readonly ReplicaSet[], newSize: number): number {
  const { replicas, strategy } = deployment.spec;
  if (strategy.type === 'Recreate') return replicas;
  const room = replicas + bounds(deployment).maxSurge - totalReplicas(all);
  return room <= 0 ? newSize : newSize + Math.min(room, replicas - newSize);
}

/**
 * Shares a change of a Deployment's size out over its sets in proportion to their sizes, largest first; what
 * rounding leaves goes to the first. Returns the new size by set name.
 */
export function shareOut(deployment: Deployment, active: readonly ReplicaSet[]): ReadonlyMap<string, number> {
  const { replicas } = deployment.spec;
  const allowed = replicas > 0 ? replicas + bounds(deployment).maxSurge : 0;
  const change = allowed - totalReplicas(active);
  const newestFirst = change > 0;
  const ordered = [...active].sort(
    (a, b) => b.spec.replicas - a.spec.replicas || (newestFirst ? -byAge(a, b) : byAge(a, b)),
  );
  const sizes = new Map<string, number>();
  let shared = 0;
  for (const set of ordered) {
    const part = change === 0 ? 0 : proportion(deployment, set, change, shared);
    sizes.set(set.metadata.name, set.spec.replicas + part);
    shared += part;
  }
  const first = ordered[0];
  if (first !== undefined)
    sizes.set(first.metadata.name, Math.max(0, (sizes.get(first.metadata.name) ?? 0) + change - shared));
  return sizes;
}

function proportion(deployment: Deployment, set: ReplicaSet, change: number, shared: number): number {
  if (set.spec.replicas === 0 || change === shared) return 0;
  const left = change - shared;
  const fraction = ownFraction(deployment, set);
  return change > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
}

function ownFraction(deployment: Deployment, set: ReplicaSet): number {
  const { replicas } = deployment.spec;
  if (replicas === 0) return -set.spec.replicas;
  const before = Number(set.metadata.annotations?.[ANNOTATION.deploymentMaxReplicas] ?? 0);
  const reference = before > 0 ? before : (deployment.status.replicas ?? 0);
  if (reference === 0) return 0;
  return (
    Math.round((set.spec.replicas * (replicas + bounds(deployment).maxSurge)) / reference) - set.spec.replicas
  );
}

/** Oldest first; ties by name. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const left = a.metadata.creationTimestamp ?? '';
  const right = b.metadata.creationTimestamp ?? '';
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : Number(a.metadata.name > b.metadata.name);
}
