/** What controllers ask of a pod: is it active, ready, available, and since when. Times are milliseconds since the epoch. */

import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { POD_CONDITION } from '#protocol/core/v1/well-known.js';
import { findCondition, isConditionTrue } from '#protocol/meta/condition.js';
import { parseTime } from '#protocol/meta/time.js';

/** Counts towards its owner's replicas: not ended and not being deleted. */
export function isActive(pod: Pod): boolean {
  return !hasEnded(pod.status) && pod.metadata.deletionTimestamp === undefined;
}

export function isReady(pod: Pod): boolean {
  return isConditionTrue(pod.status.conditions, POD_CONDITION.ready);
}

/** When the pod became ready; undefined while it is not. */
export function readySince(pod: Pod): number | undefined {
  const ready = findCondition(pod.status.conditions, POD_CONDITION.ready);
  return ready?.status === 'True' ? parseTime(ready.lastTransitionTime) : undefined;
}

/** Milliseconds until the pod counts as available; 0 when it does, undefined while it is not ready. */
export function untilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  if (!isReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const since = readySince(pod);
  return since === undefined ? undefined : Math.max(0, since + minReadySeconds * 1000 - now);
}
