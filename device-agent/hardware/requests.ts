/** What the containers of a pod ask for: whole units by resource, in the order in which the containers start. */
import type { PodSpec } from '#protocol/core/v1/pod.js';
import { quantityToNumber } from '#protocol/meta/quantity.js';
import { type ContainerRole, containersInOrder } from '../lib/pod-types.js';
import { RESOURCE_PREFIX } from './unit.js';

export interface ContainerRequest {
  readonly container: string;
  readonly role: ContainerRole;
  /** Resource with prefix → number of units, at least 1. */
  readonly resources: ReadonlyMap<string, number>;
}

/** Containers that ask for hardware; empty for most pods. */
export function hardwareRequests(spec: PodSpec): readonly ContainerRequest[] {
  const requests: ContainerRequest[] = [];
  for (const { container, role } of containersInOrder(spec)) {
    const resources = new Map<string, number>();
    for (const [resource, amount] of Object.entries(container.resources?.limits ?? {})) {
      const units = resource.startsWith(RESOURCE_PREFIX) ? Math.ceil(quantityToNumber(amount)) : 0;
      if (units > 0) resources.set(resource, units);
    }
    if (resources.size > 0) requests.push({ container: container.name, role, resources });
  }
  return requests;
}
