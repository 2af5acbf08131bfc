/**
 * Control groups of one device: `<parent>/pod<uid>/<container id>`, and `<parent>/monitors` for the conmon
 * processes. The same interface over the unified (v2) and the hybrid (v1) layout. All operations are
 * idempotent; what they need is read from the kernel, so they work after any restart of the agent.
 */
import type { PodLimits } from '../runtime/runtime.js';

export interface CgroupUsage {
  readonly cpuUsageNanoseconds: number;
  readonly memoryWorkingSetBytes: number;
  readonly pids: number;
}

export interface Cgroups {
  readonly layout: 'v1' | 'v2';
  /** Limits that the kernel offers here; what is absent cannot be enforced. */
  readonly controllers: ReadonlySet<'cpu' | 'memory' | 'pids'>;
  /** Whether swap can be limited together with memory. */
  readonly swapLimit: boolean;
  /** Makes the device's subtree and its `monitors` group. */
  setUp(): Promise<void>;
  createPod(podUid: string, limits: PodLimits): Promise<void>;
  /** Kills what is left inside and removes the pod's groups in every hierarchy. */
  removePod(podUid: string): Promise<void>;
  /** For the OCI configuration: the container's group relative to every hierarchy. */
  containerPath(podUid: string, containerId: string): string;
  /** Sends SIGKILL to every process of the container until none is left. Returns how many were signalled. */
  killContainer(podUid: string, containerId: string): Promise<number>;
  /** Process ids inside the container, its nested groups included. */
  containerProcesses(podUid: string, containerId: string): Promise<readonly number[]>;
  removeContainer(podUid: string, containerId: string): Promise<void>;
  /** Whether the kernel has killed a process of the container for lack of memory; undefined when its group is gone. */
  oomKilled(podUid: string, containerId: string): Promise<boolean | undefined>;
  /** Undefined when the container's group is gone. */
  usage(podUid: string, containerId: string): Promise<CgroupUsage | undefined>;
  /** Moves a process out of the agent's own group, so that stopping the agent's service leaves it alone. */
  adoptMonitor(pid: number): Promise<void>;
  /** Uids of the pods that have a group. */
  listPods(): Promise<readonly string[]>;
  /** Removes the device's groups if no process is left in them. */
  removeIfEmpty(): Promise<void>;
  /** Kills every process of the device's subtree and removes it. */
  purge(): Promise<void>;
}

/** Name of the group of a pod. */
export function podCgroup(podUid: string): string {
  return `pod${podUid}`;
}
