/**
 * The planner: what the hub wants of one pod, what is true of it on this device, and the time → the steps to
 * take next. Pure; the loop takes the steps, looks again and asks again, so that a crash anywhere is safe.
 *
 * Safety, each a property in test/property/agent-plan.test.ts: never two live containers of one name; no main
 * container before every init container has succeeded; nothing is deleted while it lives; an exclusive
 * pod starts nothing and keeps nothing alive without the device's lease.
 */
import type { DesiredPod } from '../desired/desired-pod.js';
import { containersInOrder } from '../lib/pod-types.js';
import { isLive, type ObservedPod } from '../observe/observed.js';
import { type Plan, PlanDraft } from './draft.js';
import { planRun } from './run.js';
import { clearAway, stopAll } from './stop.js';

export type { Plan, Waiting } from './draft.js';

/** Grace of containers that nothing desired explains. */
const STRAY_GRACE_MS = 30_000;

/** Whether an exclusive pod may run here, and if not, since when. */
export interface LeaseView {
  readonly mayRun: boolean;
  /** Whether it may also be started; false while only an earlier agent's lease is left. */
  readonly mayStart: boolean;
  /** Monotonic milliseconds at which whatever still lives must be dead; set while `mayRun` is false. */
  readonly deadline?: number;
}

export interface PlanInput {
  /** Undefined: nothing of this pod should be here. */
  readonly desired: DesiredPod | undefined;
  readonly observed: ObservedPod;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: number;
  /** Monotonic clock, milliseconds. */
  readonly monotonic: number;
  readonly lease: LeaseView;
  /** Milliseconds for which the pod has been active here, for activeDeadlineSeconds. */
  readonly activeForMs: number;
}

/** Whether the hub wants the pod stopped and gone. */
export function isLeaving(desired: DesiredPod | undefined): boolean {
  return (
    desired?.run === undefined ||
    desired.removal !== undefined ||
    desired.run.pod.metadata.deletionTimestamp !== undefined
  );
}

export function plan(input: PlanInput): Plan {
  const { desired, observed, monotonic } = input;
  const draft = new PlanDraft(observed, monotonic);
  if (desired?.run === undefined || isLeaving(desired)) planGone(draft, input);
  else if (observed.record.over !== undefined) planOver(draft, input, desired.run.pod.spec);
  else planRun(draft, input, desired.run);
  return draft.finish();
}

/** Stops everything, clears it away, and last of all forgets the pod. */
function planGone(draft: PlanDraft, input: PlanInput): void {
  const { desired, observed, monotonic } = input;
  const spec = desired?.run?.pod.spec;
  const sidecars = spec === undefined ? [] : sidecarNames(spec);
  const leaseMs = Math.max(0, (input.lease.deadline ?? monotonic) - monotonic);
  const bound = desired?.run?.failoverClass === 'exclusive' && !input.lease.mayRun;
  const graceMs = Math.min(leavingGraceMs(desired), bound ? leaseMs : Number.POSITIVE_INFINITY);
  if (stopAll(draft, observed, sidecars, { graceMs, why: spec === undefined ? 'stale' : 'pod' }, monotonic))
    return;
  if (clearAway(draft, observed)) return;
  draft.add({ action: 'forget-pod' });
}

/** The pod has ended for good: its record tells how, and nothing else of it stays but its logs. */
function planOver(draft: PlanDraft, input: PlanInput, spec: Parameters<typeof containersInOrder>[0]): void {
  const { observed, monotonic } = input;
  const graceMs = spec.terminationGracePeriodSeconds * 1000;
  if (stopAll(draft, observed, sidecarNames(spec), { graceMs, why: 'pod' }, monotonic)) return;
  for (const { state, termination, image, imageId } of observed.containers) {
    const record = observed.record.containers[state.key.name];
    if (termination === undefined || record?.final !== undefined) continue;
    if (record !== undefined && record.attempt > state.key.attempt) continue;
    draft.add({
      action: 'record-container',
      container: state.key.name,
      record: {
        attempt: state.key.attempt,
        streak: record?.streak ?? 0,
        ...(record?.last && { last: record.last }),
        final: termination,
        ...(image !== undefined && { image }),
        ...(imageId !== undefined && { imageId }),
      },
    });
  }
  if (draft.isEmpty && !observed.containers.some(isLive)) clearAway(draft, observed);
}

function leavingGraceMs(desired: DesiredPod | undefined): number {
  if (desired === undefined) return STRAY_GRACE_MS;
  const { run, removal } = desired;
  const asked = run?.pod.metadata.deletionGracePeriodSeconds ?? run?.pod.spec.terminationGracePeriodSeconds;
  const seconds = removal === undefined ? asked : Math.min(removal.gracePeriodSeconds, asked ?? Infinity);
  return seconds === undefined ? STRAY_GRACE_MS : seconds * 1000;
}

function sidecarNames(spec: Parameters<typeof containersInOrder>[0]): readonly string[] {
  return containersInOrder(spec)
    .filter((one) => one.role === 'sidecar')
    .map((one) => one.container.name);
}
