/**
 * How containers end, and how what they leave is cleared away. Main containers stop together; sidecars
 * follow when those are gone, the last one first, in what is left of the pod's grace. Whatever is still
 * alive after its grace is killed. Nothing is deleted while it lives, and the order of clearing is the
 * reverse of the order of making, so that a crash in between leaves only what the next plan finds.
 */
import { isLive, type ObservedContainer, type ObservedPod, type StopReason } from '../observe/observed.js';
import type { PlanDraft } from './draft.js';

/** A container gets this long between stop signal and kill even when its preStop hook used up the grace. */
const MINIMUM_GRACE_MS = 2_000;
/** A grace that ends earlier by less than this is the same grace, seen a moment later. */
const SHORTER_BY_MS = 250;
/** A kill that has had no effect is sent again after this long. */
const KILL_AGAIN_MS = 5_000;

export interface StopOrder {
  /** Milliseconds from now until the kill. */
  readonly graceMs: number;
  readonly why: StopReason;
}

/** Plans the stop of one live container. */
export function stopContainer(
  draft: PlanDraft,
  observed: ObservedPod,
  container: ObservedContainer,
  order: StopOrder,
  monotonic: number,
): void {
  const { id, key } = container.state;
  const stop = observed.activity.stops.get(id);
  const endsAt = stop === undefined ? Number.POSITIVE_INFINITY : stop.startedAt + stop.graceMs;
  const shorter = monotonic + order.graceMs < endsAt - SHORTER_BY_MS;
  if (shorter) draft.add({ action: 'stop-container', container: key.name, id, ...order });
  if (stop === undefined) return;
  const graceEndsAt = Math.min(endsAt, monotonic + order.graceMs);
  const afterHook = stop.signalledAt === undefined ? 0 : stop.signalledAt + MINIMUM_GRACE_MS;
  const strict = order.graceMs === 0 || order.why === 'lease';
  const killAt = strict ? graceEndsAt : Math.max(graceEndsAt, afterHook);
  const dueAt = stop.killedAt === undefined ? killAt : stop.killedAt + KILL_AGAIN_MS;
  if (dueAt <= monotonic) draft.add({ action: 'kill-container', id });
  else draft.wakeIn(dueAt - monotonic);
}

/** Plans the stop of everything that lives in the pod. Returns whether anything does. */
export function stopAll(
  draft: PlanDraft,
  observed: ObservedPod,
  sidecarNames: readonly string[],
  order: StopOrder,
  monotonic: number,
): boolean {
  const live = observed.containers.filter(isLive);
  const first = live.filter((one) => !sidecarNames.includes(one.state.key.name));
  if (first.length > 0) {
    for (const one of first) stopContainer(draft, observed, one, order, monotonic);
    return true;
  }
  const began = Math.min(monotonic, ...[...observed.activity.stops.values()].map((stop) => stop.startedAt));
  const leftMs = order.graceMs === 0 ? 0 : Math.max(MINIMUM_GRACE_MS, order.graceMs - (monotonic - began));
  for (const name of [...sidecarNames].reverse()) {
    const sidecars = live.filter((one) => one.state.key.name === name);
    for (const one of sidecars) stopContainer(draft, observed, one, { ...order, graceMs: leftMs }, monotonic);
    if (sidecars.length > 0) return true;
  }
  return false;
}

/** Plans the removal of everything of a pod in which nothing lives. Returns whether anything was left. */
export function clearAway(draft: PlanDraft, observed: ObservedPod): boolean {
  let left = false;
  for (const { state } of observed.containers) {
    draft.add({ action: 'delete-container', id: state.id });
    left = true;
  }
  if (left) return true;
  for (const id of observed.rootfs) {
    draft.add({ action: 'release-rootfs', id });
    left = true;
  }
  if (left) return true;
  if (observed.hasVolumes || observed.activity.volumesRevision !== undefined) {
    draft.add({ action: 'remove-volumes' });
    left = true;
  }
  if (observed.sandbox !== undefined || observed.base !== undefined) {
    draft.add({ action: 'remove-sandbox' });
    left = true;
  }
  if (left) return true;
  if (observed.activity.cgroup !== false) {
    draft.add({ action: 'remove-cgroup' });
    left = true;
  }
  // Last: whoever is given it next must find nothing of this pod alive.
  if (!left && observed.hardware?.held === true) {
    draft.add({ action: 'release-hardware' });
    left = true;
  }
  return left;
}
