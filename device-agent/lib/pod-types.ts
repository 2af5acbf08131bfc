/** What the agent asks of a pod's spec everywhere: which containers, in which role and order, restarted when. */
import type { Container, PodSpec } from '#protocol/core/v1/pod.js';

/** What a container is to its pod. */
export type ContainerRole = 'init' | 'sidecar' | 'main';

export interface RoledContainer {
  readonly role: ContainerRole;
  readonly container: Container;
}

/** All containers in the order in which they start: init containers and sidecars as listed, then the main ones. */
export function containersInOrder(spec: PodSpec): readonly RoledContainer[] {
  const inits = (spec.initContainers ?? []).map(
    (container): RoledContainer => ({
      role: container.restartPolicy === 'Always' ? 'sidecar' : 'init',
      container,
    }),
  );
  const mains = spec.containers.map((container): RoledContainer => ({ role: 'main', container }));
  return [...inits, ...mains];
}

export function findContainer(spec: PodSpec, name: string): RoledContainer | undefined {
  return containersInOrder(spec).find((one) => one.container.name === name);
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** The policy for one container: a sidecar is always restarted, an init container unless the pod says Never. */
export function restartPolicyOf(spec: PodSpec, role: ContainerRole): RestartPolicy {
  if (role === 'sidecar') return 'Always';
  const policy = spec.restartPolicy;
  return role === 'init' && policy === 'Always' ? 'OnFailure' : policy;
}

/** The field path of a container in events. */
export function fieldPathOf(role: ContainerRole, name: string): string {
  return role === 'main' ? `spec.containers{${name}}` : `spec.initContainers{${name}}`;
}
