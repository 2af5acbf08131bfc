/**
 * Which pods must leave a node because of its NoExecute taints, and when. Pure. Taints that the device
 * lifecycle sets are not looked at here: what follows from them depends on the failover class.
 */
import type { Taint } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import { FLEET_TAINT } from '#protocol/fleet/v1alpha1/well-known.js';
import { tolerates } from '../../client/tolerations.js';

const LIFECYCLE: ReadonlySet<string> = new Set([TAINT.unreachable, TAINT.notReady, FLEET_TAINT.revoked]);

/** A taint and the monotonic time at which it was first seen on its node. */
export interface SeenTaint {
  readonly taint: Taint;
  readonly since: number;
}

export interface TaintEviction {
  readonly pod: Pod;
  /** Monotonic milliseconds. */
  readonly dueAt: number;
}

/** The taints of a node that this controller answers for. */
export function evictingTaints(taints: readonly Taint[] | undefined): readonly Taint[] {
  return (taints ?? []).filter(({ effect, key }) => effect === 'NoExecute' && !LIFECYCLE.has(key));
}

/** Pods that do not tolerate every taint for ever; the first taint to run out decides. */
export function planTaintEvictions(
  pods: readonly Pod[],
  taints: readonly SeenTaint[],
): readonly TaintEviction[] {
  const evictions: TaintEviction[] = [];
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const dues = taints.map((seen) => dueAt(pod, seen)).filter((due) => due !== undefined);
    if (dues.length > 0) evictions.push({ pod, dueAt: Math.min(...dues) });
  }
  return evictions;
}

/** Undefined: tolerated without a limit. */
function dueAt(pod: Pod, { taint, since }: SeenTaint): number | undefined {
  const covering = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
  if (covering.length === 0) return since;
  const limits = covering
    .map(({ tolerationSeconds }) => tolerationSeconds)
    .filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : since + Math.max(0, Math.min(...limits)) * 1_000;
}
