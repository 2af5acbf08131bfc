/**
 * The status of a pod as kubelet would write it: from what is wanted, what is true, and why containers are
 * not running. Pure; the previous status only lends its transition times and what is no longer observable.
 */
import type { ContainerStatus, PodStatus } from '#protocol/core/v1/pod.js';
import type { RunAssignment } from '#protocol/link/assignment.js';
import { formatTime } from '#protocol/meta/time.js';
import type { Termination } from '../desired/pod-records.js';
import { containersInOrder } from '../lib/pod-types.js';
import { isLive, type ObservedPod } from '../observe/observed.js';
import type { Waiting } from '../plan/draft.js';
import { podConditions } from './conditions.js';
import { containerStatus } from './container-status.js';
import { podPhase } from './phase.js';
import { qosClass } from './qos-class.js';

export interface PodStatusInput {
  readonly run: RunAssignment;
  readonly observed: ObservedPod;
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** The pod is being stopped for good. */
  readonly leaving: boolean;
  readonly lastEnds: ReadonlyMap<string, Termination>;
  readonly previous: PodStatus | undefined;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly now: number;
  readonly hostIp: string;
  /** Runtime.version, for example 'crun://1.8.1'. */
  readonly runtimeVersion: string;
}

export function podStatus(input: PodStatusInput): PodStatus {
  const { run, observed, previous, hostIp } = input;
  const { spec } = run.pod;
  const { over } = observed.record;
  const ending = input.leaving || over !== undefined;
  const [runtimeName = 'oci'] = input.runtimeVersion.split('://');
  const before = new Map(
    [...(previous?.initContainerStatuses ?? []), ...(previous?.containerStatuses ?? [])].map((one) => [
      one.name,
      one,
    ]),
  );
  const statuses = new Map<string, ContainerStatus>();
  const inits: ContainerStatus[] = [];
  const mains: ContainerStatus[] = [];
  for (const roled of containersInOrder(spec)) {
    const { name } = roled.container;
    const status = containerStatus({
      roled,
      observed,
      waiting: input.waiting.get(name),
      ending,
      lastEnd: input.lastEnds.get(name),
      previous: before.get(name),
      runtimeName,
    });
    const kept = settledInit(status, before.get(name), roled.role === 'init');
    statuses.set(name, kept);
    (roled.role === 'main' ? mains : inits).push(kept);
  }
  const deleted = run.pod.metadata.deletionTimestamp !== undefined;
  const phase = over?.phase ?? podPhase(spec, statuses, deleted && !observed.containers.some(isLive));
  const podIp = observed.sandbox?.ip ?? (over === undefined ? undefined : previous?.podIP);
  return {
    phase,
    conditions: podConditions({
      spec,
      phase,
      hardware: observed.hardware,
      statuses,
      previous: previous?.conditions ?? [],
      acceptedAt: input.acceptedAt,
      now: input.now,
    }),
    ...(over?.reason !== undefined && { reason: over.reason }),
    ...(over?.message !== undefined && { message: over.message }),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp !== undefined && podIp !== '' && { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: formatTime(input.acceptedAt),
    ...(inits.length > 0 && { initContainerStatuses: inits }),
    containerStatuses: mains,
    qosClass: qosClass(spec),
  };
}

/** An init container that has succeeded in this sandbox keeps saying so when its remains are gone. */
function settledInit(
  status: ContainerStatus,
  before: ContainerStatus | undefined,
  isInit: boolean,
): ContainerStatus {
  const done = before?.state.terminated?.exitCode === 0 && before.restartCount === status.restartCount;
  return isInit && done && status.state.waiting !== undefined ? before : status;
}
