/** What a failed step means: the waiting reason, the event, and when it is tried again. */
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { StepFailure } from '../observe/observed.js';
import type { Step } from '../plan/step.js';
import { RuntimeError } from '../runtime/runtime.js';
import { VolumeError } from '../volumes/volumes.js';
import { ContainerConfigError } from './env.js';

const BACKOFF = { initialMs: 1_000, maxMs: 60_000, jitter: 0.2 };

/** Reasons of the runtime that a container's status shows as they are. */
const STATUS_REASONS = new Set(['CreateContainerError', 'CreateContainerConfigError', 'RunContainerError']);

export interface StepFailureEvent {
  /** Name of the container, '' for the pod. */
  readonly container: string;
  readonly reason: string;
  readonly message: string;
}

export function stepFailure(
  step: Step,
  error: unknown,
  before: StepFailure | undefined,
  monotonic: number,
  random: () => number,
): StepFailure {
  const count = (before?.count ?? 0) + 1;
  return {
    reason: failureReason(step, error),
    message: messageOf(error),
    retryAt: monotonic + backoffDelay(BACKOFF, count - 1, random),
    count,
  };
}

export function failureEvent(step: Step, error: unknown): StepFailureEvent {
  const message = messageOf(error);
  switch (step.action) {
    case 'create-sandbox':
      return {
        container: '',
        reason: 'FailedCreatePodSandBox',
        message: `Failed to create pod sandbox: ${message}`,
      };
    case 'allocate-hardware':
      return { container: '', reason: 'FailedAllocateHardware', message };
    case 'create-cgroup':
      return {
        container: '',
        reason: 'FailedCreatePodContainer',
        message: `unable to ensure pod container exists: ${message}`,
      };
    case 'set-up-volumes':
      return { container: '', reason: 'FailedMount', message };
    case 'ensure-image':
    case 'create-container':
    case 'start-container':
    case 'record-container':
      return { container: step.container, reason: 'Failed', message: `Error: ${message}` };
    case 'stop-container':
      return { container: step.container, reason: 'FailedKillPod', message: `error killing pod: ${message}` };
    case 'kill-container':
    case 'delete-container':
    case 'release-rootfs':
    case 'record-over':
    case 'remove-volumes':
    case 'remove-sandbox':
    case 'remove-cgroup':
    case 'release-hardware':
    case 'forget-pod':
      return {
        container: '',
        reason: 'FailedKillPod',
        message: `error killing pod: ${step.action}: ${message}`,
      };
  }
}

function failureReason(step: Step, error: unknown): string {
  if (error instanceof ContainerConfigError || error instanceof VolumeError)
    return 'CreateContainerConfigError';
  if (error instanceof RuntimeError && STATUS_REASONS.has(error.reason)) return error.reason;
  if (step.action === 'start-container') return 'RunContainerError';
  return 'CreateContainerError';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
