/** The phase of a pod from its containers' statuses, by kubelet's rules. Pure. */
import type { ContainerStatus, PodSpec, PodStatus } from '#protocol/core/v1/pod.js';
import { containersInOrder } from '../lib/pod-types.js';

/**
 * `deleted`: the pod is being deleted, so that a container that has ended is not run again: once none runs and
 * every main container has ended, the pod has ended too, whatever its restart policy.
 */
export function podPhase(
  spec: PodSpec,
  statuses: ReadonlyMap<string, ContainerStatus>,
  deleted: boolean,
): NonNullable<PodStatus['phase']> {
  let sidecarsRunning = 0;
  let initsPending = 0;
  let initsFailed = 0;
  const count = { running: 0, waiting: 0, succeeded: 0, stopped: 0 };
  for (const { role, container } of containersInOrder(spec)) {
    const status = statuses.get(container.name);
    if (role === 'init') {
      const end = status?.state.terminated;
      if (end === undefined) initsPending += 1;
      else if (end.exitCode !== 0) initsFailed += 1;
      continue;
    }
    if (role === 'sidecar') {
      if (status?.state.running !== undefined) sidecarsRunning += 1;
      if (status?.state.running === undefined && status?.lastState.terminated === undefined)
        initsPending += 1;
      continue;
    }
    if (status?.state.running !== undefined) count.running += 1;
    else if (status?.state.terminated !== undefined) {
      count.stopped += 1;
      if (status.state.terminated.exitCode === 0) count.succeeded += 1;
    } else if (status?.lastState.terminated !== undefined) count.stopped += 1;
    else count.waiting += 1;
  }
  if (initsFailed > 0 && spec.restartPolicy === 'Never') return 'Failed';
  // Once a main container has run, what happened to init containers is history.
  const mainsBegan = count.running + count.stopped > 0;
  if (!mainsBegan && initsPending + initsFailed > 0) return 'Pending';
  if (count.waiting > 0) return 'Pending';
  if (count.running > 0) return 'Running';
  if (count.stopped === 0) return 'Pending';
  const over = deleted && sidecarsRunning === 0;
  if (spec.restartPolicy === 'Always' && !over) return 'Running';
  if (count.stopped === count.succeeded) return 'Succeeded';
  if (over) return 'Failed';
  return spec.restartPolicy === 'Never' ? 'Failed' : 'Running';
}
