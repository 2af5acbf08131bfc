/**
 * Whether pods that stay bound to a device count as ready while it is dead. Pure. Nobody knows how they are, so
 * Ready turns False with reason NodeNotReady; when the device is back, Ready turns True again without it having
 * to say so.
 *
 * Only a Ready that is True is turned, and every report of a device brings a Ready of its own. So a pod that
 * still shows the reason was ready by the last that its device said, and what its device says next comes
 * on top: the device need not know that anything was written. With readiness gates the API works Ready out
 * instead, lets this reason stand, and does not take the True that is written here for more than its end.
 */
import type { Pod, PodCondition } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { NODE_NOT_READY, POD_CONDITION } from '#protocol/core/v1/well-known.js';
import { findCondition, setCondition } from '#protocol/meta/condition.js';
import { formatTime } from '#protocol/meta/time.js';

export interface ReadinessChange {
  /** As it is in the cache, with its revision. */
  readonly pod: Pod;
  readonly ready: boolean;
  readonly conditions: readonly PodCondition[];
}

/** The pods whose Ready is to be written; `wall` is milliseconds since the epoch. */
export function changedReadiness(
  pods: readonly Pod[],
  verdict: 'alive' | 'waiting' | 'dead',
  wall: number,
): readonly ReadinessChange[] {
  if (verdict === 'waiting') return [];
  const ready = verdict === 'alive';
  const changes: ReadinessChange[] = [];
  for (const pod of pods) {
    const known = findCondition(pod.status.conditions, POD_CONDITION.ready);
    if (known === undefined || hasEnded(pod.status)) continue;
    const silenced = known.status === 'False' && known.reason === NODE_NOT_READY;
    if (ready ? !silenced : known.status !== 'True') continue;
    const { reason: _reason, message: _message, ...rest } = known;
    const next = ready ? { ...rest, status: 'True' } : { ...known, status: 'False', reason: NODE_NOT_READY };
    changes.push({ pod, ready, conditions: setCondition(pod.status.conditions, next, formatTime(wall)) });
  }
  return changes;
}
