/**
 * Which pods a shrinking ReplicaSet gives up first, in Kubernetes' order: without a node before with one,
 * pending before running, not ready before ready, cheap by annotation before dear, on crowded nodes before
 * alone, ready for a short time before long (by orders of magnitude), often restarted before seldom, young
 * before old. Pure and total: ties end with the name.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import { ANNOTATION } from '#protocol/core/v1/well-known.js';
import { parseTime } from '#protocol/meta/time.js';
import { isReady, readySince } from '../pod-state.js';

const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** `crowd`: how many pods of the same workload are on a pod's node. */
export function rankForDeletion(pods: readonly Pod[], crowd: (pod: Pod) => number, now: number): Pod[] {
  return [...pods].sort((a, b) => {
    for (const compare of COMPARISONS) {
      const order = compare(a, b, crowd, now);
      if (order !== 0) return order;
    }
    return 0;
  });
}

type Comparison = (a: Pod, b: Pod, crowd: (pod: Pod) => number, now: number) => number;

const COMPARISONS: readonly Comparison[] = [
  (a, b) => Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)),
  (a, b) => phaseOrder(a) - phaseOrder(b),
  (a, b) => Number(isReady(a)) - Number(isReady(b)),
  (a, b) => deletionCost(a) - deletionCost(b),
  (a, b, crowd) => crowd(b) - crowd(a),
  (a, b, _crowd, now) => magnitude(readySince(a), now) - magnitude(readySince(b), now),
  (a, b) => restarts(b) - restarts(a),
  (a, b, _crowd, now) => magnitude(created(a), now) - magnitude(created(b), now),
  (a, b) => (created(b) ?? 0) - (created(a) ?? 0),
  (a, b) => (a.metadata.name < b.metadata.name ? -1 : Number(a.metadata.name > b.metadata.name)),
];

function phaseOrder(pod: Pod): number {
  return PHASE_ORDER[pod.status.phase ?? 'Pending'] ?? 1;
}

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.[ANNOTATION.podDeletionCost] ?? '0');
  return Number.isSafeInteger(cost) ? cost : 0;
}

function created(pod: Pod): number | undefined {
  return parseTime(pod.metadata.creationTimestamp);
}

/** Age as a power of two of seconds, so that pods of about the same age count as equal; unknown is youngest. */
function magnitude(since: number | undefined, now: number): number {
  return since === undefined ? -1 : Math.floor(Math.log2(Math.max(1, (now - since) / 1000)));
}

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status.containerStatuses ?? []).map((status) => status.restartCount));
}
