/** Whether tolerations cover a taint, by Kubernetes' rules: an empty key tolerates every key, an empty effect every effect. */
import type { Taint } from '#protocol/core/v1/node.js';
import type { Toleration } from '#protocol/core/v1/pod.js';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return (
    toleration.key !== undefined && toleration.key !== '' && (toleration.value ?? '') === (taint.value ?? '')
  );
}

/** The first taint that no toleration covers. */
export function firstUntolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
): Taint | undefined {
  return taints.find((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
}
