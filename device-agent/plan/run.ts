/**
 * Plans a pod that should run: what does not belong is swept out, then cgroup, sandbox, volumes, init
 * containers in order (a sidecar counts once it has started), then the main containers side by side.
 */

import type { PodSpec } from '#protocol/core/v1/pod.js';
import type { RunAssignment } from '#protocol/link/assignment.js';
import { containersInOrder, type RoledContainer, restartPolicyOf } from '../lib/pod-types.js';
import { isLive, type ObservedPod } from '../observe/observed.js';
import { LEASE_WAIT, planContainer } from './container.js';
import type { PlanDraft } from './draft.js';
import { planHardware } from './hardware.js';
import type { PlanInput } from './plan.js';
import { baseAttempt, currentRun, LOST, lostItsOnlyRun } from './runs.js';
import { stopAll, stopContainer } from './stop.js';

export function planRun(draft: PlanDraft, input: PlanInput, run: RunAssignment): void {
  const { observed } = input;
  const { spec } = run.pod;
  if (deadlinePassed(draft, input, spec)) return;
  sweep(draft, input, spec);
  if (run.failoverClass === 'exclusive' && !input.lease.mayRun) {
    planWithoutLease(draft, input, spec);
    return;
  }
  if (!draft.isEmpty) return;
  if (recordLostRuns(draft, observed, spec)) return;
  if (!planHardware(draft, input, run)) return;
  if (!preparePod(draft, input, run)) return;
  const initialized = planInits(draft, input, run);
  if (initialized) planMains(draft, input, run);
}

/** Removes what belongs to an earlier sandbox, an earlier run, or no container of the spec. */
function sweep(draft: PlanDraft, input: PlanInput, spec: PodSpec): void {
  const { observed, monotonic } = input;
  const roled = containersInOrder(spec);
  const usable = observed.sandbox !== undefined && observed.base !== undefined;
  const kept = new Set<string>();
  for (const one of observed.containers) {
    const { key, id } = one.state;
    const known = roled.some(({ container }) => container.name === key.name);
    const current = known && currentRun(observed, key.name).attempt === key.attempt;
    const ofThisSandbox = usable && key.attempt >= (observed.base?.[key.name] ?? 0);
    if (current && ofThisSandbox) {
      kept.add(id);
      continue;
    }
    if (isLive(one)) {
      const graceMs = usable ? spec.terminationGracePeriodSeconds * 1000 : 0;
      stopContainer(draft, observed, one, { graceMs, why: 'stale' }, monotonic);
    } else draft.add({ action: 'delete-container', id });
    kept.add(id);
  }
  for (const id of observed.rootfs) if (!kept.has(id)) draft.add({ action: 'release-rootfs', id });
}

/** No lease: everything stops within the budget that the hub counts on, and nothing starts. */
function planWithoutLease(draft: PlanDraft, input: PlanInput, spec: PodSpec): void {
  const { observed, monotonic, lease } = input;
  const leftMs = Math.max(0, (lease.deadline ?? monotonic) - monotonic);
  const graceMs = Math.min(spec.terminationGracePeriodSeconds * 1000, leftMs);
  stopAll(draft, observed, [], { graceMs, why: 'lease' }, monotonic);
  for (const { container } of containersInOrder(spec)) draft.wait(container.name, LEASE_WAIT);
}

function deadlinePassed(draft: PlanDraft, input: PlanInput, spec: PodSpec): boolean {
  if (spec.activeDeadlineSeconds === undefined) return false;
  const leftMs = spec.activeDeadlineSeconds * 1000 - input.activeForMs;
  if (leftMs > 0) {
    draft.wakeIn(leftMs);
    return false;
  }
  draft.add({
    action: 'record-over',
    over: {
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    },
  });
  return true;
}

/** Before a sandbox is made after a reboot: containers that must not run twice are put on record as lost. */
function recordLostRuns(draft: PlanDraft, observed: ObservedPod, spec: PodSpec): boolean {
  for (const { container, role } of containersInOrder(spec)) {
    const { name } = container;
    const record = observed.record.containers[name];
    if (record?.final !== undefined) continue;
    if (!lostItsOnlyRun(observed, name, role, restartPolicyOf(spec, role))) continue;
    const attempt = observed.highestAttempts[name] ?? 0;
    draft.add({ action: 'record-container', container: name, record: { attempt, streak: 0, final: LOST } });
  }
  return !draft.isEmpty;
}

/** Cgroup, sandbox and volumes. Returns whether containers may be planned. */
function preparePod(draft: PlanDraft, input: PlanInput, run: RunAssignment): boolean {
  const { observed } = input;
  const roled = containersInOrder(run.pod.spec);
  const waitAll = () => {
    for (const one of roled)
      if (!hasRun(observed, one)) draft.wait(one.container.name, creating(run.pod.spec, one));
  };
  if (observed.activity.cgroup !== true && !draft.add({ action: 'create-cgroup' })) {
    waitAll();
    return false;
  }
  if (observed.sandbox === undefined || observed.base === undefined) {
    const base = Object.fromEntries(
      roled.map(({ container: { name } }) => [name, baseAttempt(observed, name)]),
    );
    if (!isOver(observed, run.pod.spec)) draft.add({ action: 'create-sandbox', base });
    else finishPod(draft, observed, run.pod.spec);
    waitAll();
    return false;
  }
  if (observed.activity.volumesRevision !== run.revision) {
    const fresh = observed.activity.volumesRevision === undefined;
    draft.add({ action: 'set-up-volumes', revision: run.revision });
    if (fresh) waitAll();
    // Running containers are looked after whatever the volumes do; new ones need them.
    return !fresh || observed.containers.length > 0;
  }
  return true;
}

/** Init containers and sidecars in order. Returns whether the main containers may start. */
function planInits(draft: PlanDraft, input: PlanInput, run: RunAssignment): boolean {
  const { observed } = input;
  const { spec } = run.pod;
  const roled = containersInOrder(spec);
  const past = roled.some((one) => one.role === 'main' && hasRun(observed, one));
  let initialized = true;
  for (const one of roled) {
    if (one.role === 'main') continue;
    if (!initialized) {
      draft.wait(one.container.name, { reason: 'PodInitializing' });
      continue;
    }
    // Once a main container has run, init containers have succeeded, whatever is left to prove it.
    if (one.role === 'init' && past) continue;
    const outcome = planContainer(draft, input, run, one);
    if (outcome === 'failed') {
      finishPod(draft, observed, spec);
      initialized = false;
    } else if (one.role === 'init') initialized = outcome === 'succeeded';
    else initialized = past || outcome === 'started';
  }
  if (!initialized && !past)
    for (const one of roled)
      if (one.role === 'main') draft.wait(one.container.name, { reason: 'PodInitializing' });
  return initialized || past;
}

function planMains(draft: PlanDraft, input: PlanInput, run: RunAssignment): void {
  const { spec } = run.pod;
  const mains = containersInOrder(spec).filter((one) => one.role === 'main');
  const outcomes = mains.map((one) => planContainer(draft, input, run, one));
  if (outcomes.every((outcome) => outcome === 'succeeded' || outcome === 'failed'))
    finishPod(draft, input.observed, spec);
}

/** Whether every main container has an end on record. */
function isOver(observed: ObservedPod, spec: PodSpec): boolean {
  return spec.containers.every(({ name }) => observed.record.containers[name]?.final !== undefined);
}

function finishPod(draft: PlanDraft, observed: ObservedPod, spec: PodSpec): void {
  const ends = spec.containers.map(({ name }) => observed.record.containers[name]?.final);
  const succeeded = ends.every((end) => end?.exitCode === 0);
  if (ends.some((end) => end === undefined) && !initFailed(observed, spec)) return;
  draft.add({ action: 'record-over', over: { phase: succeeded ? 'Succeeded' : 'Failed' } });
}

function initFailed(observed: ObservedPod, spec: PodSpec): boolean {
  return containersInOrder(spec).some(({ role, container }) => {
    const final = observed.record.containers[container.name]?.final;
    return role === 'init' && final !== undefined && final.exitCode !== 0;
  });
}

/** Whether the container has had a run in the present sandbox. */
function hasRun(observed: ObservedPod, { container }: RoledContainer): boolean {
  return currentRun(observed, container.name).container !== undefined;
}

function creating(spec: PodSpec, { role }: RoledContainer): { reason: string } {
  const behindInits = role !== 'init' && (spec.initContainers?.length ?? 0) > 0;
  return { reason: behindInits ? 'PodInitializing' : 'ContainerCreating' };
}
