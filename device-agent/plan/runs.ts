/**
 * Which run of a container counts. Runs are numbered; those below the sandbox's base belong to an earlier
 * boot or sandbox and those that the disk record has moved past are history. What remains is the present
 * run of each container: not there yet, created, running, ended, or ended for good on record.
 */
import type { ContainerRecord, Termination } from '../desired/pod-records.js';
import type { ContainerRole } from '../lib/pod-types.js';
import type { ObservedContainer, ObservedPod } from '../observe/observed.js';

/** The present run of one container. */
export interface Run {
  readonly name: string;
  /** Its number; also the restart count. */
  readonly attempt: number;
  readonly record: ContainerRecord | undefined;
  /** The container of this run, when there is one. */
  readonly container: ObservedContainer | undefined;
  /** How the run ended, once it has. */
  readonly ended: Termination | undefined;
}

/** A run of which nobody knows the end: the device went down under it. */
export const LOST: Termination = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the device came up again',
};

/** The number that the first run of a container gets in a sandbox made now. */
export function baseAttempt(observed: ObservedPod, name: string): number {
  const seen = observed.highestAttempts[name] ?? -1;
  const record = observed.record.containers[name];
  if (record?.final !== undefined) return record.attempt;
  return Math.max(record?.attempt ?? 0, seen + 1);
}

/** The present run of container `name`. */
export function currentRun(observed: ObservedPod, name: string): Run {
  const record = observed.record.containers[name];
  const base = observed.base === undefined ? baseAttempt(observed, name) : (observed.base[name] ?? 0);
  const newest = newestContainer(observed, name);
  const attempt = Math.max(base, record?.attempt ?? 0, newest?.state.key.attempt ?? 0);
  const container = newest?.state.key.attempt === attempt ? newest : undefined;
  const onRecord = record !== undefined && record.attempt === attempt ? record.final : undefined;
  return { name, attempt, record, container, ended: container?.termination ?? onRecord };
}

/**
 * How the run before the present one ended, as far as anything tells: the record, or that the device went
 * down under it.
 */
export function previousEnd(observed: ObservedPod, run: Run): Termination | undefined {
  if (run.record !== undefined && run.record.attempt === run.attempt && run.record.last !== undefined)
    return run.record.last;
  const before = observed.containers.find(
    ({ state }) => state.key.name === run.name && state.key.attempt === run.attempt - 1,
  );
  return before?.termination;
}

/** A container that never restarts was running when the device went down: that was its only run. */
export function lostItsOnlyRun(
  observed: ObservedPod,
  name: string,
  role: ContainerRole,
  policy: string,
): boolean {
  const neverStarted = observed.highestAttempts[name] === undefined;
  return role === 'main' && policy === 'Never' && observed.base === undefined && !neverStarted;
}

function newestContainer(observed: ObservedPod, name: string): ObservedContainer | undefined {
  let newest: ObservedContainer | undefined;
  for (const one of observed.containers) {
    if (one.state.key.name !== name) continue;
    if (newest === undefined || one.state.key.attempt > newest.state.key.attempt) newest = one;
  }
  return newest;
}
