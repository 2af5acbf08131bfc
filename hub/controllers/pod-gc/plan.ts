/**
 * Which pods nobody will ever clean up: ended ones beyond a bound (oldest first), those bound to a node that
 * has been gone for a while, and those being deleted that never had a node. Pure.
 */

import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';

export interface PodGcInputs {
  readonly pods: Iterable<Pod>;
  /** Milliseconds for which a node has been missing; undefined when it exists. */
  readonly missingFor: (node: string) => number | undefined;
  /** Ended pods that may be kept for reading their logs and exit codes. */
  readonly maxEnded: number;
}

export interface Garbage {
  readonly pod: Pod;
  readonly reason: 'ended' | 'node-gone' | 'never-scheduled';
}

/**
 * How long a node must have been gone before its pods are: longer than an exclusive lease and its margin, so
 * that a device whose Node was deleted has stopped them.
 */
export const NODE_GONE_MS = 40_000;

export function planPodGc({ pods, missingFor, maxEnded }: PodGcInputs): readonly Garbage[] {
  const garbage: Garbage[] = [];
  const ended: Pod[] = [];
  for (const pod of pods) {
    const node = pod.spec.nodeName;
    if (node && (missingFor(node) ?? 0) >= NODE_GONE_MS) garbage.push({ pod, reason: 'node-gone' });
    else if (!node && pod.metadata.deletionTimestamp !== undefined)
      garbage.push({ pod, reason: 'never-scheduled' });
    else if (hasEnded(pod.status) && pod.metadata.deletionTimestamp === undefined) ended.push(pod);
  }
  const excess = ended.length - maxEnded;
  if (excess > 0) {
    ended.sort((a, b) =>
      (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1,
    );
    for (const pod of ended.slice(0, excess)) garbage.push({ pod, reason: 'ended' });
  }
  return garbage;
}
