/**
 * Volumes of a pod, made below the agent's data directory (or tmpfs for secrets and `medium: Memory`).
 * configMap, secret and projected volumes change atomically by a `..data` link, as kubelet's do.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';

export interface Volumes extends AsyncDisposable {
  /** Makes or refreshes the pod's volumes: volume name → host path. Rejects with VolumeError. Idempotent. */
  setUp(pod: Pod, resolved: ResolvedInputs): Promise<ReadonlyMap<string, string>>;
  /** Unmounts and deletes everything of the pod; idempotent. */
  tearDown(podUid: string): Promise<void>;
  /** Pods that have something here, also after a crash. */
  list(): Promise<readonly string[]>;
}

/** A volume that cannot be made, worded for the pod's FailedMount event. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}
