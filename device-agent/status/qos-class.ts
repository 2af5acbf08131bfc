/** The quality-of-service class of a pod, from the requests and limits of its containers. Pure. */
import type { PodSpec, PodStatus } from '#protocol/core/v1/pod.js';
import { compareQuantities } from '#protocol/meta/quantity.js';

const RESOURCES = ['cpu', 'memory'] as const;

export function qosClass(spec: PodSpec): NonNullable<PodStatus['qosClass']> {
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  let anything = false;
  let guaranteed = true;
  for (const { resources } of all) {
    for (const name of RESOURCES) {
      const limit = nonZero(resources.limits?.[name]);
      const request = nonZero(resources.requests?.[name]) ?? limit;
      if (limit !== undefined || request !== undefined) anything = true;
      if (limit === undefined || request === undefined || compareQuantities(limit, request) !== 0)
        guaranteed = false;
    }
  }
  if (!anything) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function nonZero(quantity: string | undefined): string | undefined {
  return quantity === undefined || compareQuantities(quantity, '0') === 0 ? undefined : quantity;
}
