/**
 * What a device's report makes of a pod's status. Pure. The device owns the status of its pods, except for
 * conditions that others wrote (PodScheduled), Ready where readiness gates decide it, and fields that only the hub knows; and a pod that has ended
 * does not come back to life.
 */

import { hasReadinessGates, type Pod, type PodCondition, type PodStatus } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { POD_CONDITION } from '#protocol/core/v1/well-known.js';
import type { PodReport } from '#protocol/link/report.js';
import { sameJson } from '../lib/same-json.js';

export type ReportVerdict =
  | { readonly verdict: 'write'; readonly status: PodStatus }
  /** Nothing would change. */
  | { readonly verdict: 'same' }
  /** The API has ended the pod (evicted, lost): the device must not go on running it. */
  | { readonly verdict: 'ended' };

export function judgeReport(pod: Pod, report: PodReport): ReportVerdict {
  const { status: current } = pod;
  if (hasEnded(current) && !hasEnded(report.status)) return { verdict: 'ended' };
  const status = mergeStatus(pod, report.status);
  return sameJson(status, current) ? { verdict: 'same' } : { verdict: 'write', status };
}

function mergeStatus(pod: Pod, reported: PodStatus): PodStatus {
  const { status: current } = pod;
  const { qosClass, startTime, observedGeneration } = current;
  return {
    ...(qosClass === undefined ? {} : { qosClass }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...reported,
    conditions: mergeConditions(
      current.conditions ?? [],
      (reported.conditions ?? []).filter(({ type }) => !isHubs(pod, type)),
    ),
  };
}

/** Whether the API works the condition out when the status is written: the device does not know all of it. */
function isHubs(pod: Pod, type: string): boolean {
  return type === POD_CONDITION.ready && hasReadinessGates(pod.spec);
}

/** Reported conditions by type over the current ones; those that the device does not report stay. */
function mergeConditions(
  current: readonly PodCondition[],
  reported: readonly PodCondition[],
): PodCondition[] {
  const own = new Set(reported.map(({ type }) => type));
  return [...current.filter(({ type }) => !own.has(type)), ...reported];
}
