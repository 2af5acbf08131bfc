/**
 * Plans one container of a running pod by the state of its present run. A restart goes through the disk
 * record first: the old run's end and the new number are written, then the old container is deleted, then
 * the new one is made, so that whatever is cut off, the count and the last state are right.
 */
import type { RunAssignment } from '#protocol/link/assignment.js';
import type { Termination } from '../desired/pod-records.js';
import { type RestartPolicy, type RoledContainer, restartPolicyOf } from '../lib/pod-types.js';
import { type ImageProgress, isLive, type ObservedContainer } from '../observe/observed.js';
import type { PlanDraft } from './draft.js';
import { hardwareMissing } from './hardware.js';
import type { PlanInput } from './plan.js';
import { formatDelay, nextStreak, remainingDelay, restartDelay } from './restart-backoff.js';
import { currentRun, type Run } from './runs.js';
import { stopContainer } from './stop.js';

/** `started`: runs and has passed its startup probe. `succeeded`, `failed`: ended for good. */
export type ContainerOutcome = 'pending' | 'started' | 'succeeded' | 'failed';

/** How long a failed pull is shown as ErrImagePull before it reads ImagePullBackOff. */
const PULL_ERROR_SHOWN_MS = 1_500;

/** Why a container of an exclusive pod waits. */
export const LEASE_WAIT = {
  reason: 'LeaseExpired',
  message: 'the device holds no lease from the hub; pods of class exclusive wait for one',
};

export function planContainer(
  draft: PlanDraft,
  input: PlanInput,
  assignment: RunAssignment,
  roled: RoledContainer,
): ContainerOutcome {
  const run = currentRun(input.observed, roled.container.name);
  const container = run.container;
  if (run.ended !== undefined) return planEnded(draft, input, assignment, roled, run, run.ended);
  if (container === undefined) return planCreation(draft, input, assignment, roled, run);
  if (container.state.status === 'unknown') {
    draft.add({ action: 'delete-container', id: container.state.id });
    draft.wait(run.name, initialWait(assignment, roled));
    return 'pending';
  }
  if (container.state.status === 'created' && isOutdated(input, container)) {
    draft.add({ action: 'delete-container', id: container.state.id });
    draft.wait(run.name, initialWait(assignment, roled));
    return 'pending';
  }
  if (container.state.status === 'created') {
    if (mustNotStart(input, assignment)) {
      draft.wait(run.name, LEASE_WAIT);
      return 'pending';
    }
    if (earlierRunLives(input, run.name)) {
      draft.wait(run.name, initialWait(assignment, roled));
      return 'pending';
    }
    const failure = input.observed.activity.failures.get(`start-container/${container.state.id}`);
    draft.add({ action: 'start-container', container: run.name, id: container.state.id });
    draft.wait(run.name, failure ?? { reason: 'ContainerCreating' });
    return 'pending';
  }
  return planLive(draft, input, assignment, roled, container);
}

function planLive(
  draft: PlanDraft,
  input: PlanInput,
  assignment: RunAssignment,
  roled: RoledContainer,
  container: ObservedContainer,
): ContainerOutcome {
  const { observed, monotonic } = input;
  const { id } = container.state;
  const { spec } = assignment.pod;
  const verdict = observed.activity.verdicts.get(id);
  const podGraceMs = spec.terminationGracePeriodSeconds * 1000;
  const under = observed.activity.stops.get(id);
  if (imageChanged(container, roled)) {
    stopContainer(draft, observed, container, { graceMs: podGraceMs, why: 'image' }, monotonic);
    return 'pending';
  }
  if (isOutdated(input, container)) {
    stopContainer(draft, observed, container, { graceMs: podGraceMs, why: 'hardware' }, monotonic);
    return 'pending';
  }
  if (verdict?.unhealthy !== undefined) {
    const probe =
      verdict.unhealthy === 'liveness' ? roled.container.livenessProbe : roled.container.startupProbe;
    const graceMs = (probe?.terminationGracePeriodSeconds ?? spec.terminationGracePeriodSeconds) * 1000;
    stopContainer(draft, observed, container, { graceMs, why: 'unhealthy' }, monotonic);
    return 'pending';
  }
  if (observed.activity.postStarts.get(id) === 'failed') {
    stopContainer(draft, observed, container, { graceMs: podGraceMs, why: 'post-start' }, monotonic);
    return 'pending';
  }
  if (under !== undefined) {
    // A stop that began stays begun, also when its reason is gone: half-stopped programs do not serve.
    const graceMs = Math.max(0, under.startedAt + under.graceMs - monotonic);
    stopContainer(draft, observed, container, { graceMs, why: under.why }, monotonic);
    return 'pending';
  }
  return verdict?.started === true ? 'started' : 'pending';
}

function planEnded(
  draft: PlanDraft,
  input: PlanInput,
  assignment: RunAssignment,
  roled: RoledContainer,
  run: Run,
  ended: Termination,
): ContainerOutcome {
  const { observed } = input;
  const { role } = roled;
  const policy = restartPolicyOf(assignment.pod.spec, role);
  const why = run.container && observed.activity.stops.get(run.container.state.id)?.why;
  const asked =
    why === 'lease' || why === 'image' || why === 'hardware' || imageChanged(run.container, roled);
  if (run.record?.attempt === run.attempt && run.record.final !== undefined)
    return run.record.final.exitCode === 0 ? 'succeeded' : 'failed';
  if (role === 'init' && ended.exitCode === 0 && !asked) return 'succeeded';
  if (!asked && !restarts(policy, ended)) {
    draft.add({
      action: 'record-container',
      container: run.name,
      record: { ...recordBase(run), attempt: run.attempt, streak: run.record?.streak ?? 0, final: ended },
    });
    return 'pending';
  }
  const streak = asked ? (run.record?.streak ?? 0) : nextStreak(run.record?.streak ?? 0, ended);
  const delayMs = asked ? 0 : restartDelay(streak);
  const seenAt = run.container && observed.activity.exitsSeenAt.get(run.container.state.id);
  const leftMs = remainingDelay(delayMs, {
    now: input.now,
    finishedAt: ended.finishedAt,
    seenForMs: seenAt === undefined ? 0 : input.monotonic - seenAt,
  });
  if (leftMs > 0) {
    draft.wakeIn(leftMs);
    const { name, namespace = 'default', uid = '' } = assignment.pod.metadata;
    draft.wait(run.name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatDelay(delayMs)} restarting failed container=${run.name} pod=${name}_${namespace}(${uid})`,
    });
    return 'pending';
  }
  draft.add({
    action: 'record-container',
    container: run.name,
    record: { ...recordBase(run), attempt: run.attempt + 1, streak, last: ended },
  });
  return 'pending';
}

function planCreation(
  draft: PlanDraft,
  input: PlanInput,
  assignment: RunAssignment,
  roled: RoledContainer,
  run: Run,
): ContainerOutcome {
  const { activity } = input.observed;
  const { name, image: reference = '' } = roled.container;
  const image = activity.images.get(name);
  const fresh = image !== undefined && image.reference === reference && image.attempt === run.attempt;
  if (!fresh || (image.state === 'failed' && image.retryAt <= input.monotonic)) {
    draft.add({ action: 'ensure-image', container: name, reference, attempt: run.attempt });
    draft.wait(name, image === undefined ? initialWait(assignment, roled) : imageWait(image, input));
    return 'pending';
  }
  if (image.state !== 'ready') {
    if (image.state === 'failed') wakeForImage(draft, image, input.monotonic);
    draft.wait(name, image.state === 'pulling' ? initialWait(assignment, roled) : imageWait(image, input));
    return 'pending';
  }
  if (mustNotStart(input, assignment)) {
    draft.wait(name, LEASE_WAIT);
    return 'pending';
  }
  if (activity.volumesRevision === undefined || earlierRunLives(input, name)) {
    draft.wait(name, initialWait(assignment, roled));
    return 'pending';
  }
  const missing = input.observed.hardware?.missing.get(name);
  if (missing !== undefined) {
    draft.wait(name, hardwareMissing(missing));
    return 'pending';
  }
  const failure = activity.failures.get(`create-container/${name}`);
  draft.add({ action: 'create-container', container: name, attempt: run.attempt });
  draft.wait(name, failure ?? initialWait(assignment, roled));
  return 'pending';
}

/** Its device nodes are no longer those of the pod's units. */
function isOutdated({ observed }: PlanInput, { state }: ObservedContainer): boolean {
  return observed.hardware?.outdated.has(state.id) === true;
}

/** Two live containers of one name never exist, not even while a stubborn one is being stopped. */
function earlierRunLives(input: PlanInput, name: string): boolean {
  return input.observed.containers.some((one) => one.state.key.name === name && isLive(one));
}

/** An exclusive pod starts nothing before the hub has granted a lease and said what it still wants. */
function mustNotStart(input: PlanInput, assignment: RunAssignment): boolean {
  return assignment.failoverClass === 'exclusive' && !input.lease.mayStart;
}

function restarts(policy: RestartPolicy, ended: Termination): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0);
}

/** The image in the spec is not the one that this run was made from. */
function imageChanged(
  container: ObservedContainer | undefined,
  { container: wanted }: RoledContainer,
): boolean {
  return container?.image !== undefined && container.image !== wanted.image;
}

function recordBase(run: Run): { image?: string; imageId?: string; last?: Termination } {
  const { image, imageId } = run.container ?? {};
  return {
    ...(image !== undefined && { image }),
    ...(imageId !== undefined && { imageId }),
    ...(run.record?.last && { last: run.record.last }),
  };
}

function initialWait(assignment: RunAssignment, { role }: RoledContainer): { reason: string } {
  const behindInits = role === 'main' && (assignment.pod.spec.initContainers?.length ?? 0) > 0;
  return { reason: behindInits ? 'PodInitializing' : 'ContainerCreating' };
}

function imageWait(image: ImageProgress, input: PlanInput): { reason: string; message?: string } {
  if (image.state !== 'failed') return { reason: 'ContainerCreating' };
  const backsOff = image.reason === 'ErrImagePull' && input.monotonic - image.failedAt >= PULL_ERROR_SHOWN_MS;
  if (!backsOff) return { reason: image.reason, message: image.message };
  return {
    reason: 'ImagePullBackOff',
    message: `Back-off pulling image "${image.reference}": ${image.message}`,
  };
}

function wakeForImage(
  draft: PlanDraft,
  image: Extract<ImageProgress, { state: 'failed' }>,
  monotonic: number,
): void {
  draft.wakeIn(image.retryAt - monotonic);
  const shownMs = monotonic - image.failedAt;
  if (shownMs < PULL_ERROR_SHOWN_MS) draft.wakeIn(PULL_ERROR_SHOWN_MS - shownMs);
}
