/** The status of one container as kubelet would write it, from its present run and why it is not running. Pure. */
import type { ContainerStatus } from '#protocol/core/v1/pod.js';
import { formatTime } from '#protocol/meta/time.js';
import type { Termination } from '../desired/pod-records.js';
import type { RoledContainer } from '../lib/pod-types.js';
import type { ObservedPod } from '../observe/observed.js';
import type { Waiting } from '../plan/draft.js';
import { currentRun, LOST, previousEnd } from '../plan/runs.js';

const LOST_WHILE_STOPPING = 'The container could not be located when the pod was terminated';

export interface ContainerStatusInput {
  readonly roled: RoledContainer;
  readonly observed: ObservedPod;
  readonly waiting: Waiting | undefined;
  /** The pod is stopping or over: a container that is not there has ended, it does not wait. */
  readonly ending: boolean;
  /** The last end that this agent saw of a container by this name. */
  readonly lastEnd: Termination | undefined;
  readonly previous: ContainerStatus | undefined;
  /** 'crun' in 'crun://<id>'. */
  readonly runtimeName: string;
}

export function containerStatus(input: ContainerStatusInput): ContainerStatus {
  const { roled, observed, previous, runtimeName } = input;
  const { name, image = '' } = roled.container;
  const run = currentRun(observed, name);
  const before = previousEnd(observed, run);
  const live =
    run.container !== undefined && run.container.state.status !== 'exited' ? run.container : undefined;
  const running = live?.state.status === 'running';
  const verdict = live && observed.activity.verdicts.get(live.state.id);
  const id =
    run.container?.state.id ?? run.ended?.containerId ?? before?.containerId ?? input.lastEnd?.containerId;
  const record = run.record;
  const present = run.container !== undefined;
  const state = stateOf(input, run.ended, running ? live?.state.startedAt : undefined, { running, present });
  // A container that ended and waits to run again shows its end as the last state.
  const last = state.waiting !== undefined && run.ended !== undefined ? run.ended : before;
  // What was cleared away with its sandbox will not run again: the next number is nobody's.
  const gone = input.ending && run.container === undefined && run.ended === undefined;
  const restartCount = gone ? (previous?.restartCount ?? run.attempt) : run.attempt;
  const imageId = run.container?.imageId ?? record?.imageId ?? readyImageId(observed, name);
  return {
    name,
    state,
    lastState: last === undefined ? {} : { terminated: terminated(last, runtimeName) },
    ready: isReady(roled, running, verdict?.ready, run.ended),
    restartCount,
    image: run.container?.image ?? image,
    imageID: imageId ?? previous?.imageID ?? '',
    ...(id !== undefined && { containerID: `${runtimeName}://${id}` }),
    started: running && (roled.role === 'init' || verdict?.started === true),
  };
}

function stateOf(
  input: ContainerStatusInput,
  ended: Termination | undefined,
  startedAt: number | undefined,
  { running, present }: { readonly running: boolean; readonly present: boolean },
): ContainerStatus['state'] {
  if (running) return { running: startedAt === undefined ? {} : { startedAt: formatTime(startedAt) } };
  const { waiting, ending, lastEnd, previous, runtimeName } = input;
  if (waiting !== undefined && !ending)
    return {
      waiting: { reason: waiting.reason, ...(waiting.message !== undefined && { message: waiting.message }) },
    };
  const end = ended ?? (ending ? lastEnd : undefined);
  if (end !== undefined) return { terminated: terminated(end, runtimeName) };
  if (ending && previous?.state.terminated !== undefined) return { terminated: previous.state.terminated };
  // It ran, and whoever saw its end is no more.
  if (ending && !present && previous?.state.running !== undefined)
    return {
      terminated: terminated({ ...LOST, message: LOST_WHILE_STOPPING }, runtimeName),
    };
  return { waiting: { reason: 'ContainerCreating' } };
}

function isReady(
  { role }: RoledContainer,
  running: boolean,
  ready: boolean | undefined,
  ended: Termination | undefined,
): boolean {
  if (role === 'init') return ended?.exitCode === 0;
  return running && ready === true;
}

function readyImageId(observed: ObservedPod, name: string): string | undefined {
  const progress = observed.activity.images.get(name);
  return progress?.state === 'ready' ? progress.image.imageId : undefined;
}

function terminated(
  end: Termination,
  runtimeName: string,
): NonNullable<ContainerStatus['state']['terminated']> {
  return {
    exitCode: end.exitCode,
    reason: end.reason,
    ...(end.message !== undefined && { message: end.message }),
    ...(end.startedAt !== undefined && { startedAt: formatTime(end.startedAt) }),
    ...(end.finishedAt !== undefined && { finishedAt: formatTime(end.finishedAt) }),
    ...(end.containerId !== undefined && { containerID: `${runtimeName}://${end.containerId}` }),
  };
}
