/**
 * What a ReplicaSet needs: how many pods to create, which to delete, and its status. Pure. At most
 * BURST pods are created or deleted in one go; the rest follows when the first are seen.
 */
import type { ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '#protocol/apps/v1/replica-set.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { formatTime } from '#protocol/meta/time.js';
import { controllerReference } from '../claim.js';
import { isActive, isReady, untilAvailable } from '../pod-state.js';
import { rankForDeletion } from './rank.js';

const BURST = 500;

export interface ReplicaSetPlan {
  readonly create: number;
  readonly delete: readonly Pod[];
}

/** `related`: pods of all ReplicaSets of the same owner; they decide which nodes are crowded. */
export function planReplicas(
  set: ReplicaSet,
  pods: readonly Pod[],
  related: readonly Pod[],
  now: number,
): ReplicaSetPlan {
  const active = pods.filter(isActive);
  const missing = set.spec.replicas - active.length;
  if (set.metadata.deletionTimestamp !== undefined || missing === 0) return { create: 0, delete: [] };
  if (missing > 0) return { create: Math.min(missing, BURST), delete: [] };
  const crowds = new Map<string, number>();
  for (const pod of related)
    if (isActive(pod) && pod.spec.nodeName)
      crowds.set(pod.spec.nodeName, (crowds.get(pod.spec.nodeName) ?? 0) + 1);
  const ranked = rankForDeletion(active, (pod) => crowds.get(pod.spec.nodeName ?? '') ?? 0, now);
  return { create: 0, delete: ranked.slice(0, Math.min(-missing, BURST)) };
}

export interface StatusPlan {
  readonly status: ReplicaSetStatus;
  /** When a ready pod becomes available by the mere passing of time. */
  readonly recheckAfterMs: number | undefined;
}

/** `failure`: why the last creation or deletion failed. */
export function planStatus(
  set: ReplicaSet,
  pods: readonly Pod[],
  failure: { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string } | undefined,
  now: number,
): StatusPlan {
  const template = Object.entries(set.spec.template.metadata?.labels ?? {});
  let fullyLabeled = 0;
  let ready = 0;
  let available = 0;
  let recheckAfterMs: number | undefined;
  const active = pods.filter(isActive);
  for (const pod of active) {
    if (template.every(([key, value]) => pod.metadata.labels?.[key] === value)) fullyLabeled += 1;
    if (isReady(pod)) ready += 1;
    const wait = untilAvailable(pod, set.spec.minReadySeconds ?? 0, now);
    if (wait === 0) available += 1;
    else if (wait !== undefined) recheckAfterMs = Math.min(recheckAfterMs ?? wait, wait);
  }
  const conditions = failureConditions(set.status.conditions, failure, now);
  return {
    status: {
      replicas: active.length,
      ...(fullyLabeled > 0 ? { fullyLabeledReplicas: fullyLabeled } : {}),
      ...(ready > 0 ? { readyReplicas: ready } : {}),
      ...(available > 0 ? { availableReplicas: available } : {}),
      ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
      ...(conditions.length > 0 ? { conditions } : {}),
    },
    recheckAfterMs,
  };
}

function failureConditions(
  known: readonly ReplicaSetCondition[] | undefined,
  failure: { readonly reason: string; readonly message: string } | undefined,
  now: number,
): ReplicaSetCondition[] {
  const others = (known ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const before = known?.find((condition) => condition.type === 'ReplicaFailure');
  const lastTransitionTime = before?.lastTransitionTime ?? formatTime(now);
  return [...others, { type: 'ReplicaFailure', status: 'True', ...failure, lastTransitionTime }];
}

/** A new pod of the set, as its template says. */
export function podFromTemplate(owner: KubernetesObject, template: ReplicaSet['spec']['template']): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const metadata = newObjectMeta({
    generateName: `${owner.metadata.name}-`,
    ownerReferences: [controllerReference(owner)],
    ...(owner.metadata.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
    ...(finalizers === undefined ? {} : { finalizers: [...finalizers] }),
  });
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec as Pod['spec'], status: {} };
}
