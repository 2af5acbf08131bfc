/** How each derived column of the catalogue gets its cell: one function per deriver that columns name. */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import { LABEL } from '#protocol/core/v1/well-known.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { findCondition } from '#protocol/meta/condition.js';
import { formatLabelSelector } from '#protocol/meta/label-selector.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';
import { ageOf, humanDuration } from './human-duration.js';
import { type PodCells, podCells, readinessGatesCell } from './pod-cells.js';

export type Cell = string | number | boolean | null;
/** `now` in milliseconds since the epoch. */
export type Deriver = (object: KubernetesObject, now: number) => Cell;

function deriver<T extends KubernetesObject>(work: (object: T, now: number) => Cell): Deriver {
  return (object, now) => work(object as T, now);
}

const NONE = '<none>';
const UNKNOWN = '<unknown>';
const orNone = (text: string | undefined): string => (text ? text : NONE);

/** The three cells of one pod are asked for one after the other; the last answer is kept. */
function podDerivers(): Record<'podReady' | 'podStatus' | 'podRestarts', Deriver> {
  let last: { pod: Pod; now: number; cells: PodCells } | undefined;
  function cells(pod: Pod, now: number): PodCells {
    if (last?.pod !== pod || last.now !== now) last = { pod, now, cells: podCells(pod, now) };
    return last.cells;
  }
  return {
    podReady: deriver<Pod>((pod, now) => cells(pod, now).ready),
    podStatus: deriver<Pod>((pod, now) => cells(pod, now).status),
    podRestarts: deriver<Pod>((pod, now) => cells(pod, now).restarts),
  };
}

function nodeStatus(node: Node): string {
  const ready = findCondition(node.status.conditions, 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(LABEL.nodeRolePrefix)) {
      const role = key.slice(LABEL.nodeRolePrefix.length);
      if (role !== '') roles.add(role);
    } else if (key === LABEL.nodeRole && value !== '') roles.add(value);
  }
  return roles.size === 0 ? NONE : [...roles].sort().join(',');
}

function nodeAddress(type: string): Deriver {
  return deriver<Node>((node) =>
    orNone(node.status.addresses?.find((address) => address.type === type)?.address),
  );
}

type Workload = Deployment | ReplicaSet;
const containersOf = (workload: Workload) => workload.spec.template.spec.containers;

function eventTimes(event: Event): { first: string | undefined; last: string | undefined } {
  const first = event.firstTimestamp ?? event.eventTime;
  return { first, last: event.series?.lastObservedTime ?? event.lastTimestamp ?? first };
}

function eventSource(event: Event): string {
  const component = event.source.component || event.reportingComponent;
  const host = event.source.host || event.reportingInstance;
  return host ? `${component}, ${host}` : component;
}

function subjects(kind: string): Deriver {
  return deriver<RoleBinding>((binding) =>
    (binding.subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map(({ name, namespace }) => (kind === 'ServiceAccount' && namespace ? `${namespace}/${name}` : name))
      .join(', '),
  );
}

/** Time until an instant; 'expired' after it. */
function untilCell(time: string | undefined, now: number): string {
  const end = Date.parse(time ?? '');
  if (Number.isNaN(end)) return UNKNOWN;
  return end > now ? humanDuration(end - now) : 'expired';
}

function dataCount(object: ConfigMap | Secret): number {
  const binary = object.kind === 'ConfigMap' ? object.binaryData : undefined;
  return Object.keys(object.data ?? {}).length + Object.keys(binary ?? {}).length;
}

/** Makes the derivers; one set per table maker, since pods keep their last answer. */
export function createDerivers(): ReadonlyMap<string, Deriver> {
  return new Map<string, Deriver>(
    Object.entries({
      ...podDerivers(),
      age: (object, now) => ageOf(object.metadata.creationTimestamp, now),
      podIP: deriver<Pod>((pod) => orNone(pod.status.podIPs?.[0]?.ip ?? pod.status.podIP)),
      podNode: deriver<Pod>((pod) => orNone(pod.spec.nodeName)),
      podNominatedNode: deriver<Pod>((pod) => orNone(pod.status.nominatedNodeName)),
      podReadinessGates: deriver<Pod>(readinessGatesCell),
      nodeStatus: deriver<Node>(nodeStatus),
      nodeRoles: deriver<Node>(nodeRoles),
      nodeInternalIP: nodeAddress('InternalIP'),
      nodeExternalIP: nodeAddress('ExternalIP'),
      nodeOsImage: deriver<Node>((node) => node.status.nodeInfo?.osImage || UNKNOWN),
      nodeKernelVersion: deriver<Node>((node) => node.status.nodeInfo?.kernelVersion || UNKNOWN),
      nodeContainerRuntime: deriver<Node>((node) => node.status.nodeInfo?.containerRuntimeVersion || UNKNOWN),
      dataCount: deriver<ConfigMap>(dataCount),
      secretsCount: deriver<ServiceAccount>((account) => account.secrets?.length ?? 0),
      eventLastSeen: deriver<Event>((event, now) => ageOf(eventTimes(event).last, now)),
      eventFirstSeen: deriver<Event>((event, now) => ageOf(eventTimes(event).first, now)),
      eventObject: deriver<Event>(
        ({ involvedObject }) => `${(involvedObject.kind ?? '').toLowerCase()}/${involvedObject.name ?? ''}`,
      ),
      eventSource: deriver<Event>(eventSource),
      eventMessage: deriver<Event>((event) => (event.message ?? '').trim()),
      eventCount: deriver<Event>((event) => event.series?.count ?? event.count ?? 1),
      deploymentReady: deriver<Deployment>(
        ({ spec, status }) => `${status.readyReplicas ?? 0}/${spec.replicas}`,
      ),
      deploymentUpdated: deriver<Deployment>(({ status }) => status.updatedReplicas ?? 0),
      deploymentAvailable: deriver<Deployment>(({ status }) => status.availableReplicas ?? 0),
      replicaSetCurrent: deriver<ReplicaSet>(({ status }) => status.replicas),
      replicaSetReady: deriver<ReplicaSet>(({ status }) => status.readyReplicas ?? 0),
      templateContainers: deriver<Workload>((workload) =>
        containersOf(workload)
          .map(({ name }) => name)
          .join(','),
      ),
      templateImages: deriver<Workload>((workload) =>
        containersOf(workload)
          .map(({ image }) => image ?? '')
          .join(','),
      ),
      workloadSelector: deriver<Workload>(({ spec }) => formatLabelSelector(spec.selector) || NONE),
      roleRef: deriver<RoleBinding>(({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
      subjectUsers: subjects('User'),
      subjectGroups: subjects('Group'),
      subjectServiceAccounts: subjects('ServiceAccount'),
      devicePresence: deriver<Device>(({ spec, status }) =>
        [
          status.presence ?? 'Unknown',
          ...(spec.revoked ? ['Revoked'] : []),
          ...(status.pendingJoin === undefined ? [] : ['PendingApproval']),
        ].join(','),
      ),
      deviceLastHeard: deriver<Device>((device, now) => ageOf(device.status.lastHeardTime, now)),
      deviceFailoverClass: deriver<Device>((device) => orNone(device.spec.failoverClass)),
      // The status is a minute old at times, and beats renew the lease all the while.
      deviceLeaseEnds: deriver<Device>(({ status }, now) =>
        status.presence === 'Online' ? 'renewed' : untilCell(status.leaseEndTime, now),
      ),
      deviceCertificateEnds: deriver<Device>((device, now) =>
        untilCell(device.status.certificateExpirationTime, now),
      ),
    } satisfies Record<string, Deriver>),
  );
}
