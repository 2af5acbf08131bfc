/** Keeps the prober in step with what runs: every live container of the pod is probed, and nothing else. */
import type { Pod, PodStatus } from '#protocol/core/v1/pod.js';
import type { ReportedEvent } from '#protocol/link/report.js';
import { containersInOrder } from '../lib/pod-types.js';
import type { Activity } from '../observe/activity.js';
import type { ObservedPod } from '../observe/observed.js';
import { currentRun } from '../plan/runs.js';
import type { Prober } from '../probes/prober.js';

export interface ProbeContainersInput {
  readonly prober: Prober;
  /** Ids that this pod has given to the prober; kept up here. */
  readonly probed: Set<string>;
  /** Undefined while the pod is stopping: nothing is probed then. */
  readonly pod: Pod | undefined;
  readonly observed: ObservedPod;
  readonly activity: Activity;
  /** The pod's last status, perhaps written by an earlier agent. */
  readonly earlier: PodStatus | undefined;
  readonly wake: () => void;
  readonly event: (container: string, type: ReportedEvent['type'], reason: string, message: string) => void;
}

export function probeContainers(input: ProbeContainersInput): void {
  const { prober, probed, pod, observed, activity } = input;
  const wanted = new Set<string>();
  for (const { container, role } of pod === undefined ? [] : containersInOrder(pod.spec)) {
    const live = currentRun(observed, container.name).container?.state;
    if (live?.status !== 'running' || role === 'init') continue;
    // A container counts as started only once its postStart hook is through.
    const hook = activity.postStarts.get(live.id);
    if (hook === 'running' || hook === 'failed' || activity.stops.has(live.id)) continue;
    wanted.add(live.id);
    if (probed.has(live.id)) continue;
    probed.add(live.id);
    prober.watch({
      podUid: observed.uid,
      containerId: live.id,
      container,
      startedAt: live.startedAt ?? live.createdAt,
      earlier: earlierVerdict(input.earlier, container.name, live.id),
      onVerdict: (verdict) => {
        activity.verdicts.set(live.id, verdict);
        input.wake();
      },
      onFailure: (kind, message) => {
        const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
        input.event(container.name, 'Warning', 'Unhealthy', `${title} probe failed: ${message}`);
      },
    });
  }
  for (const id of probed) {
    if (wanted.has(id)) continue;
    probed.delete(id);
    prober.unwatch(id);
  }
}

function earlierVerdict(
  status: PodStatus | undefined,
  name: string,
  id: string,
): { started: boolean; ready: boolean } | undefined {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const one = all.find((candidate) => candidate.name === name);
  if (one?.state.running === undefined || one.containerID?.endsWith(`//${id}`) !== true) return undefined;
  return { started: one.started === true, ready: one.ready };
}
