/**
 * Revisions of a Deployment: which ReplicaSet is the current one, and the annotations by which
 * `kubectl rollout history` and `undo` find their way. Pure.
 */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { ANNOTATION } from '#protocol/core/v1/well-known.js';
import { bounds, byAge } from './replica-math.js';
import { sameTemplate } from './template-hash.js';

export interface SplitSets {
  /** The oldest set with the Deployment's template; undefined until it is created. */
  readonly current: ReplicaSet | undefined;
  /** All others, oldest first. */
  readonly old: readonly ReplicaSet[];
}

export function splitSets(deployment: Deployment, sets: readonly ReplicaSet[]): SplitSets {
  const ordered = [...sets].sort(byAge);
  const current = ordered.find((set) => sameTemplate(set.spec.template, deployment.spec.template));
  return { current, old: ordered.filter((set) => set !== current) };
}

export function revisionOf(set: ReplicaSet): number {
  const revision = Number(set.metadata.annotations?.[ANNOTATION.deploymentRevision] ?? '0');
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** Annotations that belong to one object alone and are not handed from a Deployment to its sets. */
const OWN: ReadonlySet<string> = new Set([
  ANNOTATION.lastAppliedConfiguration,
  ANNOTATION.deploymentRevision,
  ANNOTATION.deploymentRevisionHistory,
  ANNOTATION.deploymentDesiredReplicas,
  ANNOTATION.deploymentMaxReplicas,
  'deprecated.deployment.rollback.to',
]);

/** The size that a set was last scaled for: a difference from the Deployment's means that somebody scaled it. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  return {
    [ANNOTATION.deploymentDesiredReplicas]: String(deployment.spec.replicas),
    [ANNOTATION.deploymentMaxReplicas]: String(deployment.spec.replicas + bounds(deployment).maxSurge),
  };
}

/** What the current set's annotations must become; an old set that is current again moves to the newest revision. */
export function currentSetAnnotations(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Record<string, string> {
  const wanted: Record<string, string> = {};
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!OWN.has(key)) wanted[key] = value;
  const newest = Math.max(0, ...old.map(revisionOf)) + 1;
  const before = current === undefined ? 0 : revisionOf(current);
  wanted[ANNOTATION.deploymentRevision] = String(Math.max(newest, before));
  if (before > 0 && before < newest) {
    const history = current?.metadata.annotations?.[ANNOTATION.deploymentRevisionHistory];
    wanted[ANNOTATION.deploymentRevisionHistory] = history ? `${history},${before}` : String(before);
  }
  return wanted;
}

/** The entries of `wanted` that differ from what the set has; undefined when none does. */
export function changedAnnotations(
  set: ReplicaSet,
  wanted: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const changed = Object.entries(wanted).filter(([key, value]) => set.metadata.annotations?.[key] !== value);
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}
