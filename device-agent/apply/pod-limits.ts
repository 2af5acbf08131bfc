/** Limits of a pod's cgroup from its containers', as Kubernetes sums them up. Pure. */
import type { Container, PodSpec } from '#protocol/core/v1/pod.js';
import { quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';
import { containersInOrder } from '../lib/pod-types.js';
import type { PodLimits } from '../runtime/runtime.js';

/**
 * A pod has a limit of a resource only when every container has one: the larger of what main containers and
 * sidecars may use together and what any init container may use beside the sidecars before it.
 */
export function podLimits(spec: PodSpec): PodLimits {
  const cpuMillicores = effective(spec, (one) => measure(one, 'cpu', quantityToMilli));
  const memoryBytes = effective(spec, (one) => measure(one, 'memory', quantityToNumber));
  return {
    ...(cpuMillicores !== undefined && { cpuMillicores }),
    ...(memoryBytes !== undefined && { memoryBytes }),
  };
}

function effective(spec: PodSpec, of: (container: Container) => number | undefined): number | undefined {
  let together = 0;
  let largest = 0;
  for (const { role, container } of containersInOrder(spec)) {
    const value = of(container);
    if (value === undefined) return undefined;
    if (role === 'init') largest = Math.max(largest, together + value);
    else together += value;
  }
  return Math.max(together, largest);
}

function measure(container: Container, name: string, parse: (text: string) => number): number | undefined {
  const limit = container.resources.limits?.[name];
  return limit === undefined ? undefined : parse(limit);
}
