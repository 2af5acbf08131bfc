/** Puts together what is true of one pod: the look at the device, its records, and how its containers ended. */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { PodRecords } from '../desired/pod-records.js';
import type { Hardware } from '../hardware/hardware.js';
import type { PodPaths } from '../lib/pod-paths.js';
import { findContainer } from '../lib/pod-types.js';
import { tailText } from '../logs/tail-text.js';
import type { ContainerState } from '../runtime/runtime.js';
import { terminationMessage, terminationOf } from '../status/termination.js';
import type { Activity } from './activity.js';
import type { ObservedContainer, ObservedPod } from './observed.js';
import type { Observer } from './observer.js';
import type { RunRecord, RunRecords } from './run-records.js';

export interface ObservePodOptions {
  readonly observer: Observer;
  readonly records: PodRecords;
  readonly runRecords: RunRecords;
  readonly paths: PodPaths;
  readonly hardware: Pick<Hardware, 'view' | 'uids'>;
  readonly clock: Clock;
}

/** Observes pod `uid`; `pod` is its desired form, if any. Rejects when a part of the device cannot be asked. */
export async function observePod(
  options: ObservePodOptions,
  uid: string,
  pod: Pod | undefined,
  activity: Activity,
): Promise<ObservedPod> {
  const look = await options.observer.look();
  const runRecord = await options.runRecords.load(uid);
  activity.highestAttempts ??= await options.paths.highestAttempts(uid);
  const containers: ObservedContainer[] = [];
  for (const state of look.containers.get(uid) ?? []) {
    const { name, attempt } = state.key;
    activity.highestAttempts[name] = Math.max(activity.highestAttempts[name] ?? -1, attempt);
    containers.push(await observeContainer(options, pod, state, runRecord, activity));
  }
  return {
    uid,
    containers,
    rootfs: look.rootfs.get(uid) ?? [],
    sandbox: look.sandboxes.get(uid),
    base: runRecord.base,
    highestAttempts: activity.highestAttempts,
    hasVolumes: look.volumes.has(uid),
    hardware: options.hardware.view(uid, pod?.spec),
    record: options.records.get(uid),
    activity,
  };
}

async function observeContainer(
  options: ObservePodOptions,
  pod: Pod | undefined,
  state: ContainerState,
  runRecord: RunRecord,
  activity: Activity,
): Promise<ObservedContainer> {
  const made = runRecord.made[state.id];
  if (state.status === 'exited' && !activity.terminations.has(state.id)) {
    const { podUid, name, attempt } = state.key;
    const message = await terminationMessage(
      pod && findContainer(pod.spec, name)?.container,
      options.paths.terminationMessage(podUid, name, attempt),
      state.exitCode !== 0,
      (lines, bytes) => tailText(options.paths.log(podUid, name, attempt), lines, bytes),
    );
    const termination = terminationOf(state, message);
    activity.terminations.set(state.id, termination);
    activity.lastEnds.set(name, termination);
    activity.exitsSeenAt.set(state.id, options.clock.monotonic());
  }
  return {
    state,
    image: made?.image,
    imageId: made?.imageId,
    termination: activity.terminations.get(state.id),
  };
}
