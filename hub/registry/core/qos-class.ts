/** The quality-of-service class of a pod, from the requests and limits of its containers for cpu and memory. */
import type { Container, PodSpec } from '#protocol/core/v1/pod.js';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const RESOURCES = ['cpu', 'memory'] as const;

export function qosClassOf(spec: Readonly<PodSpec>): QosClass {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  let any = false;
  let guaranteed = true;
  for (const container of containers) {
    for (const resource of RESOURCES) {
      const { request, limit } = amounts(container, resource);
      if (request !== undefined || limit !== undefined) any = true;
      if (limit === undefined || (request !== undefined && request !== limit)) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** Amounts above zero; quantities are canonical, so equal ones are equal texts. */
function amounts(
  container: Readonly<Container>,
  resource: string,
): { request: string | undefined; limit: string | undefined } {
  const { requests, limits } = container.resources ?? {};
  return { request: nonZero(requests?.[resource]), limit: nonZero(limits?.[resource]) };
}

function nonZero(amount: string | undefined): string | undefined {
  return amount === '0' ? undefined : amount;
}
