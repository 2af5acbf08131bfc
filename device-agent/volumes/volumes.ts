/**
 * Volumes of a pod, made below the agent's data directory (or tmpfs for secrets and `medium: Memory`).
 * configMap, secret and projected volumes change atomically by a `..data` link, as kubelet's do.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';

export interface Volumes extends AsyncDisposable {
  /** Makes or refreshes the pod's volumes: volume name → host path. Rejects with VolumeError. Idempotent. */
  setUp(pod: Pod, resolved: ResolvedInputs): Promise<ReadonlyMap<string, string>>;
  /**
   * A path to mount for `subPath` inside a volume that `setUp` returned, missing directories made. Safe against
   * links that containers plant: a path that leaves the volume is refused with VolumeError. Idempotent by `key`
   * (unique in the pod, safe as a file name, for example 'app-0' for the first mount of container app).
   */
  subPath(podUid: string, volumePath: string, subPath: string, key: string): Promise<string>;
  /** Unmounts and deletes everything of the pod; idempotent. */
  tearDown(podUid: string): Promise<void>;
  /** Pods that have something here, also after a crash. */
  list(): Promise<readonly string[]>;
}

/**
 * Key in the result of `setUp` of the directory with token, ca.crt and namespace, present when the hub sent a
 * service account, the pod did not opt out and brings no such volume itself.
 */
export const SERVICE_ACCOUNT_VOLUME = 'covey-service-account';

/** A volume that cannot be made, worded for the pod's FailedMount event. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}
