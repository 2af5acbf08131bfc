/** The PodScheduled condition of a pod that has no node yet, and how it is written: only when it says something new. */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { findCondition } from '#protocol/meta/condition.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { PODS } from '../cache/resources.js';
import type { Client } from '../client/client.js';

export interface UnscheduledCondition {
  readonly type: 'PodScheduled';
  readonly status: 'False';
  readonly reason: 'Unschedulable' | 'SchedulingGated';
  readonly message: string;
}

export function unschedulableCondition(message: string): UnscheduledCondition {
  return { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
}

export function gatedCondition(): UnscheduledCondition {
  return {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  };
}

/** Never rejects: a condition that cannot be written now is written with the next attempt. */
export async function writeCondition(
  parts: { readonly client: Client; readonly clock: Clock; readonly logger: Logger },
  pod: Pod,
  condition: UnscheduledCondition,
): Promise<void> {
  const known = findCondition(pod.status?.conditions, 'PodScheduled');
  if (known?.status === 'False' && known.reason === condition.reason && known.message === condition.message)
    return;
  const since = known?.status === 'False' ? known.lastTransitionTime : undefined;
  const lastTransitionTime = since ?? formatTime(parts.clock.now());
  const { name, namespace, uid } = pod.metadata;
  const patch = { metadata: { uid }, status: { conditions: [{ ...condition, lastTransitionTime }] } };
  try {
    await parts.client.resource<Pod>(PODS).patch(name, namespace, 'strategic', patch, 'status');
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return;
    parts.logger.warn({ pod: `${namespace}/${name}`, err: error }, 'pod condition was not written');
  }
}
