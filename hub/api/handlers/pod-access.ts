/**
 * What log, exec, attach and port-forward have in common: the pod, the device that it is bound to, and the
 * choice of a container, refused in Kubernetes' words.
 */

import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest } from '../api-request.js';
import { scopeOf } from '../request-options.js';
import type { Target } from './handler-context.js';

export async function podOf(request: ApiRequest, { storage, namespace, name }: Target): Promise<Pod> {
  const { object } = await storage.get(scopeOf(request, namespace), name);
  return object as unknown as Pod;
}

/** The device that runs the pod; BadRequest when it has none yet. */
export function deviceOf(pod: Pod): string {
  const device = pod.spec.nodeName ?? '';
  if (device === '') throw ApiError.badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return device;
}

/** The container asked for, or the only one there is. */
export function chooseContainer(pod: Pod, asked: string): string {
  const { name } = pod.metadata;
  const names = pod.spec.containers.map((container) => container.name);
  const initNames = (pod.spec.initContainers ?? []).map((container) => container.name);
  const ephemeralNames = (pod.spec.ephemeralContainers ?? []).map((container) => container.name);
  if (asked !== '') {
    if ([...names, ...initNames, ...ephemeralNames].includes(asked)) return asked;
    throw ApiError.badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const only = names[0];
  if (only === undefined) throw ApiError.badRequest(`a container name must be specified for pod ${name}`);
  if (names.length === 1) return only;
  const orInit = initNames.length === 0 ? '' : ` or one of the init containers: [${initNames.join(' ')}]`;
  throw ApiError.badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]${orInit}`,
  );
}

/** Refuses to run anything in a pod that has ended. */
export function checkNotCompleted(pod: Pod, verb: string): void {
  if (hasEnded(pod.status)) {
    const phase = pod.status?.phase;
    throw ApiError.badRequest(`cannot ${verb} a container in a completed pod; current phase is ${phase}`);
  }
}
