/**
 * What is true of one pod on this device at one instant: what the runtime, the network, the disks and the
 * agent's own running work say. The planner and the pod's status see nothing else. Times ending in `At`
 * are milliseconds of the monotonic clock here, except in ContainerState and Termination (wall clock).
 */
import type { PodRecord, Termination } from '../desired/pod-records.js';
import type { PodHardware } from '../hardware/pod-hardware.js';
import type { LocalImage } from '../images/image-store.js';
import type { Sandbox } from '../network/network.js';
import type { ContainerState } from '../runtime/runtime.js';

/** Why the agent stops a container; decides whether it counts as a crash. */
export type StopReason = 'pod' | 'image' | 'lease' | 'hardware' | 'unhealthy' | 'post-start' | 'stale';

/** A stop that is under way. Lost with the agent; a restarted agent begins the stop anew. */
export interface StopProgress {
  readonly why: StopReason;
  readonly startedAt: number;
  readonly graceMs: number;
  /** When the preStop hook was over and the stop signal was sent. */
  readonly signalledAt?: number;
  readonly killedAt?: number;
}

/** Work on the image of one container, for one run of it. */
export type ImageProgress =
  | { readonly state: 'pulling'; readonly reference: string; readonly attempt: number }
  | {
      readonly state: 'ready';
      readonly reference: string;
      readonly attempt: number;
      readonly image: LocalImage;
    }
  | {
      readonly state: 'failed';
      readonly reference: string;
      readonly attempt: number;
      readonly reason: string;
      readonly message: string;
      readonly failedAt: number;
      readonly retryAt: number;
      readonly failures: number;
    };

/** What the probes (and the postStart hook) say of a running container. */
export interface ProbeVerdict {
  readonly started: boolean;
  readonly ready: boolean;
  /** The probe that has failed for good: the container must be restarted. */
  readonly unhealthy?: 'liveness' | 'startup';
}

/** A step that failed and is not tried again before `retryAt`. */
export interface StepFailure {
  readonly reason: string;
  readonly message: string;
  readonly retryAt: number;
  readonly count: number;
}

export type PostStartProgress = 'running' | 'failed' | 'done';

/** What the agent itself is doing for the pod. */
export interface PodActivity {
  /** Whether the pod's cgroup is known to exist (true) or not to (false); undefined after an agent start. */
  readonly cgroup: boolean | undefined;
  /** Revision for which the volumes were made; undefined after an agent start. */
  readonly volumesRevision: string | undefined;
  /** By container name. */
  readonly images: ReadonlyMap<string, ImageProgress>;
  /** By container id. */
  readonly stops: ReadonlyMap<string, StopProgress>;
  readonly postStarts: ReadonlyMap<string, PostStartProgress>;
  readonly verdicts: ReadonlyMap<string, ProbeVerdict>;
  /** When the end of a container was first seen; back-off does not trust a wall clock that jumps. */
  readonly exitsSeenAt: ReadonlyMap<string, number>;
  /** By step key. */
  readonly failures: ReadonlyMap<string, StepFailure>;
}

export interface ObservedContainer {
  readonly state: ContainerState;
  /** The reference that this run was created from, when known. */
  readonly image: string | undefined;
  readonly imageId: string | undefined;
  /** How it ended, once it has. */
  readonly termination: Termination | undefined;
}

export interface ObservedPod {
  readonly uid: string;
  readonly containers: readonly ObservedContainer[];
  /** Ids of this pod's containers that have a root file system here. */
  readonly rootfs: readonly string[];
  readonly sandbox: Sandbox | undefined;
  /**
   * First run number of each container in the present sandbox; runs below it belong to an earlier boot or
   * sandbox. Undefined when no sandbox was made since boot.
   */
  readonly base: Readonly<Record<string, number>> | undefined;
  /** Highest run number of each container of which anything was ever seen (its log outlives a reboot). */
  readonly highestAttempts: Readonly<Record<string, number>>;
  readonly hasVolumes: boolean;
  /** Undefined for a pod that asks for no hardware and holds none. */
  readonly hardware?: PodHardware | undefined;
  readonly record: PodRecord;
  readonly activity: PodActivity;
}

/**
 * Whether processes of the container may be alive. `unknown` is what a creation that was cut off leaves
 * behind: nothing runs in it, it is deleted and made again.
 */
export function isLive(container: ObservedContainer): boolean {
  return container.state.status === 'running';
}
