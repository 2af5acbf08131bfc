/**
 * The condition of a pod that asks for hardware, and the events of its changes. A pod that names the condition
 * as a readiness gate is Ready only while its hardware is attached. Pure.
 */
import type { PodCondition, PodStatus } from '#protocol/core/v1/pod.js';
import { POD_CONDITION } from '#protocol/fleet/v1alpha1/well-known.js';
import type { PodHardware } from '../hardware/pod-hardware.js';
import { hardwareMissing, hardwareUnavailable } from '../plan/hardware.js';

const RENUMBERED = {
  reason: 'HardwareRenumbered',
  message: 'attached under another device number: the containers that have it are restarted',
};

type Draft = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Undefined for a pod without hardware, and while it is being allocated. */
export function hardwareCondition(hardware: PodHardware | undefined): Draft | undefined {
  if (hardware === undefined) return undefined;
  const type = POD_CONDITION.hardwareReady;
  const { held, shortage, missing, outdated } = hardware;
  if (!held)
    return shortage === undefined ? undefined : { type, status: 'False', ...hardwareUnavailable(shortage) };
  const absent = [...new Set([...missing.values()].flat())];
  if (absent.length > 0) return { type, status: 'False', ...hardwareMissing(absent) };
  if (outdated.size > 0) return { type, status: 'False', ...RENUMBERED };
  return { type, status: 'True', reason: 'HardwareAttached' };
}

export interface HardwareEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** What is worth an event between two statuses of a pod. */
export function hardwareEvent(previous: PodStatus | undefined, now: PodStatus): HardwareEvent | undefined {
  const [before, after] = [conditionOf(previous), conditionOf(now)];
  if (after === undefined) return undefined;
  const { status, reason = '', message = '' } = after;
  if (status === 'True')
    return before?.status === 'False'
      ? { type: 'Normal', reason, message: 'The hardware of the pod is attached' }
      : undefined;
  const told = before?.status === status && before.reason === reason && before.message === message;
  return told ? undefined : { type: 'Warning', reason, message };
}

function conditionOf(status: PodStatus | undefined): PodCondition | undefined {
  return status?.conditions?.find(({ type }) => type === POD_CONDITION.hardwareReady);
}
