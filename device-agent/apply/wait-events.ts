/**
 * The events of a container that waits for another try, as kubelet words them: one each time it begins to back
 * off, not one for each look at it.
 */
import type { Pod } from '#protocol/core/v1/pod.js';

export interface Waiting {
  readonly reason: string;
}

type Tell = (container: string, type: 'Normal' | 'Warning', reason: string, message: string) => void;

export class WaitEvents {
  /** Container → reason of its wait when it was last looked at. */
  #before: ReadonlyMap<string, string> = new Map();

  /** Call with every settled plan of the pod. */
  look(waiting: ReadonlyMap<string, Waiting>, pod: Pod, tell: Tell): void {
    const now = new Map([...waiting].map(([name, { reason }]) => [name, reason]));
    for (const [name, reason] of now) if (this.#before.get(name) !== reason) begins(name, reason, pod, tell);
    this.#before = now;
  }
}

function begins(container: string, reason: string, { metadata, spec }: Pod, tell: Tell): void {
  if (reason === 'CrashLoopBackOff') {
    const { name, namespace = 'default', uid } = metadata;
    const message = `Back-off restarting failed container ${container} in pod ${name}_${namespace}(${uid})`;
    tell(container, 'Warning', 'BackOff', message);
  }
  if (reason === 'ImagePullBackOff') {
    const all = [...spec.containers, ...(spec.initContainers ?? [])];
    const image = all.find(({ name }) => name === container)?.image ?? '';
    tell(container, 'Normal', 'BackOff', `Back-off pulling image "${image}"`);
    tell(container, 'Warning', 'Failed', 'Error: ImagePullBackOff');
  }
}
