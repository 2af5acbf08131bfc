/**
 * What a Deployment needs next: a new ReplicaSet, new sizes and annotations, old sets to forget, its own
 * revision and its status. A pure function of what is; running it again after its steps are done continues
 * where it was, so a crash between two steps costs nothing.
 */
import type { Deployment, DeploymentStatus } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { ANNOTATION, LABEL } from '#protocol/core/v1/well-known.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { controllerReference } from '../claim.js';
import { newSetSize } from './replica-math.js';
import {
  changedAnnotations,
  currentSetAnnotations,
  revisionOf,
  sizeAnnotations,
  splitSets,
} from './revision.js';
import { isScaling, recreateSizes, rollingSizes, type Sizes, scaleSizes } from './rollout.js';
import { isComplete, planStatus } from './status.js';
import { templateHash } from './template-hash.js';

export type DeploymentStep =
  | { readonly step: 'create-set'; readonly set: ReplicaSet }
  | {
      readonly step: 'update-set';
      readonly set: ReplicaSet;
      readonly replicas?: number;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly minReadySeconds?: number;
    }
  | { readonly step: 'delete-set'; readonly set: ReplicaSet }
  /** Writes the revision annotation of the Deployment itself. */
  | { readonly step: 'set-revision'; readonly revision: string };

export interface DeploymentPlan {
  readonly steps: readonly DeploymentStep[];
  readonly status: DeploymentStatus;
  readonly recheckAfterMs: number | undefined;
}

export interface DeploymentInputs {
  readonly deployment: Deployment;
  /** ReplicaSets that the Deployment controls. */
  readonly sets: readonly ReplicaSet[];
  /** Whether a pod of this set still runs; asked only while recreating. */
  readonly hasRunningPods: (set: ReplicaSet) => boolean;
  readonly now: number;
}

export function planDeployment(inputs: DeploymentInputs): DeploymentPlan {
  const { deployment, sets, now } = inputs;
  const { current, old } = splitSets(deployment, sets);
  if (deployment.metadata.deletionTimestamp !== undefined)
    return {
      steps: [],
      ...planStatus({ deployment, current, old, rollout: false, created: undefined, now }),
    };

  const rollout = deployment.spec.paused !== true && !isScaling(deployment, sets);
  const missing = rollout && current === undefined && mayCreate(inputs, old);
  const created = missing ? newSet(deployment, old, sets) : undefined;
  const sizes = nextSizes(inputs, current, old, rollout);
  const result = planStatus({ deployment, current, old, rollout, created: created?.metadata.name, now });
  const complete = rollout && isComplete(deployment, result.status);
  return {
    steps: [
      ...(created === undefined ? [] : [{ step: 'create-set' as const, set: created }]),
      ...setUpdates(deployment, current, old, sizes),
      ...revisionStep(deployment, created ?? current, old),
      ...(complete || deployment.spec.paused === true ? forgotten(deployment, old) : []),
    ],
    ...result,
  };
}

/** A recreation makes its new set only when nothing old is left. */
function mayCreate(inputs: DeploymentInputs, old: readonly ReplicaSet[]): boolean {
  if (inputs.deployment.spec.strategy.type !== 'Recreate') return true;
  return old.every((set) => set.spec.replicas === 0 && !inputs.hasRunningPods(set));
}

function nextSizes(
  inputs: DeploymentInputs,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  rollout: boolean,
): Sizes {
  const { deployment } = inputs;
  if (!rollout) return scaleSizes(deployment, current, old);
  if (deployment.spec.strategy.type === 'Recreate')
    return recreateSizes(deployment, current, old, old.some(inputs.hasRunningPods));
  return current === undefined ? new Map() : rollingSizes(deployment, current, old);
}

function newSet(deployment: Deployment, old: readonly ReplicaSet[], all: readonly ReplicaSet[]): ReplicaSet {
  const { template, selector, minReadySeconds } = deployment.spec;
  const hash = templateHash(template, deployment.status.collisionCount ?? 0);
  const labels = { ...template.metadata.labels, [LABEL.podTemplateHash]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: newObjectMeta({
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      annotations: { ...currentSetAnnotations(deployment, undefined, old), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(deployment)],
    }),
    spec: {
      replicas: newSetSize(deployment, all, 0),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [LABEL.podTemplateHash]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
    status: { replicas: 0 },
  };
}

/** At most one update per set, and none that changes nothing. */
function setUpdates(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  sizes: Sizes,
): readonly DeploymentStep[] {
  const steps: DeploymentStep[] = [];
  const scaling = isScaling(deployment, current === undefined ? old : [...old, current]);
  for (const set of current === undefined ? old : [current, ...old]) {
    const replicas = sizes.get(set.metadata.name);
    const resized = replicas !== undefined || (scaling && set.spec.replicas > 0);
    const annotations = changedAnnotations(set, {
      ...(set === current ? currentSetAnnotations(deployment, set, old) : {}),
      ...(resized ? sizeAnnotations(deployment) : {}),
    });
    const wanted = deployment.spec.minReadySeconds ?? 0;
    const minReadySeconds =
      set === current && (set.spec.minReadySeconds ?? 0) !== wanted ? wanted : undefined;
    if (replicas === undefined && annotations === undefined && minReadySeconds === undefined) continue;
    steps.push({
      step: 'update-set',
      set,
      ...(replicas === undefined ? {} : { replicas }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    });
  }
  return steps;
}

function revisionStep(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): readonly DeploymentStep[] {
  if (current === undefined) return [];
  const revision = currentSetAnnotations(deployment, current, old)[ANNOTATION.deploymentRevision] ?? '';
  if (deployment.metadata.annotations?.[ANNOTATION.deploymentRevision] === revision) return [];
  return [{ step: 'set-revision', revision }];
}

/** Old, empty sets beyond the history limit, lowest revisions first. */
function forgotten(deployment: Deployment, old: readonly ReplicaSet[]): readonly DeploymentStep[] {
  const alive = old.filter((set) => set.metadata.deletionTimestamp === undefined);
  const excess = alive.length - deployment.spec.revisionHistoryLimit;
  if (excess <= 0) return [];
  return [...alive]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, excess)
    .filter(
      (set) =>
        set.spec.replicas === 0 &&
        set.status.replicas === 0 &&
        (set.metadata.generation ?? 0) <= (set.status.observedGeneration ?? 0),
    )
    .map((set) => ({ step: 'delete-set', set }));
}
