/**
 * What a device's report makes of a pod's status. Pure. The device owns the status of its pods, except for
 * conditions that others wrote (PodScheduled) and fields that only the hub knows; and a pod that has ended
 * does not come back to life.
 */

import type { Pod, PodCondition, PodStatus } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
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
  const status = mergeStatus(current, report.status);
  return sameJson(status, current) ? { verdict: 'same' } : { verdict: 'write', status };
}

function mergeStatus(current: PodStatus, reported: PodStatus): PodStatus {
  const { qosClass, startTime, observedGeneration } = current;
  return {
    ...(qosClass === undefined ? {} : { qosClass }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...reported,
    conditions: mergeConditions(current.conditions ?? [], reported.conditions ?? []),
  };
}

/** Reported conditions by type over the current ones; those that the device does not report stay. */
function mergeConditions(
  current: readonly PodCondition[],
  reported: readonly PodCondition[],
): PodCondition[] {
  const own = new Set(reported.map(({ type }) => type));
  return [...current.filter(({ type }) => !own.has(type)), ...reported];
}
