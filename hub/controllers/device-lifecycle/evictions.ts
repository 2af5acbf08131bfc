/**
 * Which pods of a lost device are given up, and when. Pure. By failover class: `fast` as soon as the device is
 * judged dead, `exclusive` when its lease and the stop margin are over, `relaxed` after minutes of silence.
 *
 * Safety: no pod of class `exclusive` is evicted before leaseEnds + stopMargin, whatever else is true.
 */

import type { Pod, Toleration } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import { FLEET_TAINT } from '#protocol/fleet/v1alpha1/well-known.js';
import type { FailoverClass } from '#protocol/link/assignment.js';
import { cadence, failoverClassOf, LONGEST_LEASE_MS } from '#protocol/link/lease-policy.js';
import { controllerOf } from '#protocol/meta/object-meta.js';
import type { DeviceLiveness } from './liveness.js';

export interface LostDevice {
  /** Default class of its pods, from the Device object. */
  readonly failoverClass: string | undefined;
  /** undefined: the link knows nothing; the longest lease since the hub's start is assumed to be out. */
  readonly liveness: DeviceLiveness | undefined;
  readonly hubStartedAt: number;
  /** When it was judged dead or revoked; monotonic. */
  readonly lostAt: number;
  /** It never comes back: pods that nobody replaces go as well. */
  readonly revoked: boolean;
  /** From fleet-guard.ts. */
  readonly heldUntil: number | undefined;
}

export interface Eviction {
  readonly pod: Pod;
  readonly failoverClass: FailoverClass;
  /** Monotonic time from which the pod may be deleted. */
  readonly dueAt: number;
}

/** Every pod that is to be evicted, now or later. */
export function planEvictions(pods: readonly Pod[], lost: LostDevice): readonly Eviction[] {
  const evictions: Eviction[] = [];
  for (const pod of pods) {
    if (hasEnded(pod.status)) continue;
    // Nobody would replace it, and its device may come back: it stays until somebody deletes it.
    if (controllerOf(pod) === undefined && pod.metadata.deletionTimestamp === undefined && !lost.revoked)
      continue;
    const patience = toleratedMs(
      pod.spec.tolerations ?? [],
      lost.revoked ? FLEET_TAINT.revoked : TAINT.unreachable,
    );
    if (patience === undefined && pod.metadata.deletionTimestamp === undefined) continue;
    const failoverClass = failoverClassOf(pod, lost.failoverClass);
    const dueAt = Math.max(
      dueByClass(failoverClass, lost),
      lost.lostAt + (patience ?? 0),
      lost.heldUntil ?? 0,
    );
    evictions.push({ pod, failoverClass, dueAt });
  }
  return evictions;
}

function dueByClass(failoverClass: FailoverClass, lost: LostDevice): number {
  switch (failoverClass) {
    case 'fast':
      return lost.lostAt;
    case 'exclusive': {
      const leaseEnds = lost.liveness?.leaseEnds ?? lost.hubStartedAt + LONGEST_LEASE_MS;
      return Math.max(lost.lostAt, leaseEnds + cadence('exclusive').stopMarginMs);
    }
    case 'relaxed': {
      if (lost.revoked) return lost.lostAt;
      const lastHeard = lost.liveness?.lastHeard ?? lost.hubStartedAt;
      return Math.max(lost.lostAt, lastHeard + cadence('relaxed').deadAfterMs);
    }
  }
}

/** How long the pod tolerates the taint: 0 when not at all, undefined for ever. */
function toleratedMs(tolerations: readonly Toleration[], key: string): number | undefined {
  let shortest: number | undefined;
  let tolerated = false;
  for (const toleration of tolerations) {
    if (toleration.effect && toleration.effect !== 'NoExecute') continue;
    if (toleration.key && toleration.key !== key) continue;
    if (toleration.operator !== 'Exists' && !(toleration.key && !toleration.value)) continue;
    tolerated = true;
    if (toleration.tolerationSeconds !== undefined)
      shortest = Math.min(
        shortest ?? Number.POSITIVE_INFINITY,
        Math.max(0, toleration.tolerationSeconds) * 1000,
      );
  }
  return tolerated ? shortest : 0;
}
