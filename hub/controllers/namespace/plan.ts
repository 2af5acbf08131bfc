/**
 * What a namespace that is being deleted still waits for, in the conditions that Kubernetes writes. Pure.
 */
import type { Namespace, NamespaceCondition } from '#protocol/core/v1/namespace.js';
import { findCondition } from '#protocol/meta/condition.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { formatTime } from '#protocol/meta/time.js';

export interface RemainingContent {
  /** `pods`, `deployments.apps` … */
  readonly resource: string;
  readonly objects: readonly KubernetesObject[];
}

export interface ContentFailure {
  readonly resource: string;
  readonly message: string;
}

/** The conditions of a namespace whose deletion is under way. */
export function namespaceConditions(
  namespace: Namespace,
  remaining: readonly RemainingContent[],
  failures: readonly ContentFailure[],
  now: number,
): NamespaceCondition[] {
  const counts = remaining.map(
    ({ resource, objects }) => `${resource} has ${objects.length} resource instances`,
  );
  const finalizers = countFinalizers(remaining);
  const failed = failures.map(({ resource, message }) => `${resource}: ${message}`);
  return [
    condition(
      namespace,
      'NamespaceDeletionContentFailure',
      failed.length > 0
        ? [
            'True',
            'ContentDeletionFailed',
            `Failed to delete all resource types, ${failed.length} remaining: ${failed.join(', ')}`,
          ]
        : ['False', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
      now,
    ),
    condition(
      namespace,
      'NamespaceContentRemaining',
      counts.length > 0
        ? ['True', 'SomeResourcesRemain', `Some resources are remaining: ${counts.join(', ')}`]
        : ['False', 'ContentRemoved', 'All content successfully removed'],
      now,
    ),
    condition(
      namespace,
      'NamespaceFinalizersRemaining',
      finalizers.length > 0
        ? [
            'True',
            'SomeFinalizersRemain',
            `Some content in the namespace has finalizers remaining: ${finalizers.join(', ')}`,
          ]
        : ['False', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
      now,
    ),
  ];
}

function countFinalizers(remaining: readonly RemainingContent[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { objects } of remaining)
    for (const object of objects)
      for (const finalizer of object.metadata.finalizers ?? [])
        counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} in ${count} resource instances`);
}

function condition(
  namespace: Namespace,
  type: string,
  [status, reason, message]: readonly [string, string, string],
  now: number,
): NamespaceCondition {
  const before = findCondition(namespace.status.conditions, type);
  const kept = before?.status === status ? before.lastTransitionTime : undefined;
  return { type, status, reason, message, lastTransitionTime: kept ?? formatTime(now) };
}
