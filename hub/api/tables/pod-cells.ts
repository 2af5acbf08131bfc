/**
 * Cells of pods, by the rules of kubectl's printer: STATUS says in one word what the pod is doing, from its
 * phase, its init containers in order, and then its containers.
 */

import type { Container, ContainerStatus, Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { isConditionTrue } from '#protocol/meta/condition.js';
import { humanDuration } from './human-duration.js';

export interface PodCells {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

interface Restarts {
  count: number;
  lastFinished: number;
}

/** Ready, Status and Restarts hang together: all three follow from one pass. */
export function podCells(pod: Pod, now: number): PodCells {
  const { spec, status } = pod;
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const total = spec.containers.length + sidecars.size;
  const initial = status.reason || status.phase || '';
  const reason = isGated(pod) ? 'SchedulingGated' : initial;
  const all: Restarts = { count: 0, lastFinished: 0 };
  const sidecarRestarts: Restarts = { count: 0, lastFinished: 0 };
  let ready = 0;

  const init = initReason(pod, sidecars, all, sidecarRestarts);
  ready += init.readySidecars;
  let shown = init.reason ?? reason;
  let restarts = all;
  if (init.reason === undefined || isConditionTrue(status.conditions, 'Initialized')) {
    restarts = sidecarRestarts;
    let running = false;
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      noteRestarts(container, restarts);
      const waiting = container.state.waiting?.reason;
      const { terminated } = container.state;
      if (waiting) shown = waiting;
      else if (terminated) shown = terminatedReason(terminated);
      else if (container.ready && container.state.running) {
        running = true;
        ready += 1;
      }
    }
    if (shown === 'Completed' && running)
      shown = isConditionTrue(status.conditions, 'Ready') ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') shown = 'Unknown';
    else if (!hasEnded(status)) shown = 'Terminating';
  }
  return { ready: `${ready}/${total}`, status: shown, restarts: restartsText(restarts, now) };
}

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

function isGated(pod: Pod): boolean {
  return (
    pod.status.conditions?.some(
      ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
    ) ?? false
  );
}

function noteRestarts(container: ContainerStatus, restarts: Restarts): void {
  restarts.count += container.restartCount;
  const finished = Date.parse(container.lastState.terminated?.finishedAt ?? '');
  if (finished > restarts.lastFinished) restarts.lastFinished = finished;
}

function restartsText({ count, lastFinished }: Restarts, now: number): string {
  return count > 0 && lastFinished > 0
    ? `${count} (${humanDuration(now - lastFinished)} ago)`
    : String(count);
}

type Terminated = NonNullable<ContainerStatus['state']['terminated']>;

function terminatedReason({ reason, signal, exitCode }: Terminated): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

/** The first init container that has not done its work names the status; undefined when all have. */
function initReason(
  pod: Pod,
  sidecars: ReadonlySet<string>,
  all: Restarts,
  sidecarRestarts: Restarts,
): { reason: string | undefined; readySidecars: number } {
  let readySidecars = 0;
  const count = (pod.spec.initContainers ?? []).length;
  for (const [index, container] of (pod.status.initContainerStatuses ?? []).entries()) {
    const sidecar = sidecars.has(container.name);
    noteRestarts(container, all);
    if (sidecar) noteRestarts(container, sidecarRestarts);
    const { terminated, waiting } = container.state;
    if (terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) readySidecars += 1;
      continue;
    }
    if (terminated) return { reason: `Init:${terminatedReason(terminated)}`, readySidecars };
    if (waiting?.reason && waiting.reason !== 'PodInitializing') {
      return { reason: `Init:${waiting.reason}`, readySidecars };
    }
    return { reason: `Init:${index}/${count}`, readySidecars };
  }
  return { reason: undefined, readySidecars };
}

/** '<none>' without readiness gates, else met/all. */
export function readinessGatesCell(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter(({ conditionType }) => isConditionTrue(pod.status.conditions, conditionType));
  return `${met.length}/${gates.length}`;
}
