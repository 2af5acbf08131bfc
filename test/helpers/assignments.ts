/** Assignments for tests of the agent. */
import { randomUUID } from 'node:crypto';
import type { Pod } from '#protocol/core/v1/pod.js';
import type {
  FailoverClass,
  RemoveAssignment,
  ResolvedInputs,
  RunAssignment,
} from '#protocol/link/assignment.js';
import { pod as buildPod, type DeepPartial } from './objects.js';

export interface AssignmentChange {
  readonly uid?: string;
  readonly revision?: string;
  readonly failoverClass?: FailoverClass;
  readonly resolved?: Partial<ResolvedInputs>;
}

export function runAssignment(given: DeepPartial<Pod> = {}, change: AssignmentChange = {}): RunAssignment {
  const uid = change.uid ?? randomUUID();
  return {
    action: 'run',
    uid,
    revision: change.revision ?? 'r1',
    failoverClass: change.failoverClass ?? 'fast',
    pod: buildPod({ ...given, metadata: { ...given.metadata, uid } }),
    resolved: { configMaps: {}, secrets: {}, pullCredentials: [], ...change.resolved },
  };
}

export function removeAssignment(uid: string, gracePeriodSeconds = 1): RemoveAssignment {
  return { action: 'remove', uid, revision: 'removed', gracePeriodSeconds };
}
