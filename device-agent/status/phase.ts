/** The phase of a pod from its containers' statuses, by kubelet's rules. Pure. */
import type { ContainerStatus, PodSpec, PodStatus } from '#protocol/core/v1/pod.js';
import { containersInOrder } from '../lib/pod-types.js';

/** `stopped`: the pod is being deleted and nothing of it lives: it has ended, whatever its restart policy. */
export function podPhase(
  spec: PodSpec,
  statuses: ReadonlyMap<string, ContainerStatus>,
  stopped: boolean,
): NonNullable<PodStatus['phase']> {
  if (stopped) {
    const succeeded = spec.containers.every(
      ({ name }) => statuses.get(name)?.state.terminated?.exitCode === 0,
    );
    return succeeded ? 'Succeeded' : 'Failed';
  }
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
  if (spec.restartPolicy === 'Always') return 'Running';
  if (count.stopped === count.succeeded) return 'Succeeded';
  return spec.restartPolicy === 'Never' ? 'Failed' : 'Running';
}
