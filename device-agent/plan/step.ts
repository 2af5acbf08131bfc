/**
 * Everything that the agent can do for a pod, as data. A step is small, idempotent and safe to repeat after
 * a crash; `apply/executor.ts` has one effect for each, and does not compile when one is missing.
 */
import type { ContainerRecord, PodRecord } from '../desired/pod-records.js';
import type { StopReason } from '../observe/observed.js';

export interface StepMap {
  /** Sets the units aside that the pod asks for. */
  'allocate-hardware': object;
  'create-cgroup': object;
  /** Writes down the first run numbers, then makes namespaces and address. */
  'create-sandbox': { readonly base: Readonly<Record<string, number>> };
  /** Makes the volumes, or refreshes them for a new revision. */
  'set-up-volumes': { readonly revision: string };
  /** Finds or begins to pull the image; does not wait for the pull. */
  'ensure-image': { readonly container: string; readonly reference: string; readonly attempt: number };
  /** Mounts the root file system and creates the container; does not start it. */
  'create-container': { readonly container: string; readonly attempt: number };
  /** Starts it, and begins its postStart hook. */
  'start-container': { readonly container: string; readonly id: string };
  /** Begins a graceful stop (preStop hook, then the stop signal), or shortens one that is under way. */
  'stop-container': {
    readonly container: string;
    readonly id: string;
    readonly graceMs: number;
    readonly why: StopReason;
  };
  'kill-container': { readonly id: string };
  'delete-container': { readonly id: string };
  'release-rootfs': { readonly id: string };
  /** Puts a restart or a final end on record. */
  'record-container': { readonly container: string; readonly record: ContainerRecord };
  /** Puts on record that the pod has ended for good. */
  'record-over': { readonly over: NonNullable<PodRecord['over']> };
  'remove-volumes': object;
  'remove-sandbox': object;
  'remove-cgroup': object;
  'release-hardware': object;
  /** Reports that nothing is left, then drops everything that is kept about the pod. */
  'forget-pod': object;
}

export type StepAction = keyof StepMap;
export type Step = { [A in StepAction]: { readonly action: A } & StepMap[A] }[StepAction];

/** Steps with the same key are the same piece of work: a failure of one delays the next. */
export function stepKey(step: Step): string {
  switch (step.action) {
    case 'ensure-image':
    case 'create-container':
    case 'record-container':
      return `${step.action}/${step.container}`;
    case 'start-container':
    case 'stop-container':
    case 'kill-container':
    case 'delete-container':
    case 'release-rootfs':
      return `${step.action}/${step.id}`;
    case 'allocate-hardware':
    case 'create-cgroup':
    case 'create-sandbox':
    case 'set-up-volumes':
    case 'record-over':
    case 'remove-volumes':
    case 'remove-sandbox':
    case 'remove-cgroup':
    case 'release-hardware':
    case 'forget-pod':
      return step.action;
  }
}
