/**
 * Plans the hardware of a pod. It is set aside before anything of the pod is made, all of it or none. A pod that
 * finds too little, although the scheduler sent it here, is rejected as kubelet does, so that its controller can
 * place another one elsewhere; it waits only while what it needs is about to be free.
 */
import type { RunAssignment } from '#protocol/link/assignment.js';
import type { Shortage } from '../hardware/allocate.js';
import { containersInOrder } from '../lib/pod-types.js';
import { isLive } from '../observe/observed.js';
import type { PlanDraft, Waiting } from './draft.js';
import type { PlanInput } from './plan.js';

/** The reason of a pod that is rejected; kubelet's. */
export const ADMISSION_ERROR = 'UnexpectedAdmissionError';

/** Returns whether the pod has what it asks for, there or not, and may be planned further. */
export function planHardware(draft: PlanDraft, { observed }: PlanInput, run: RunAssignment): boolean {
  const { hardware } = observed;
  if (hardware === undefined || hardware.held) return true;
  const { shortage } = hardware;
  if (shortage === undefined) draft.add({ action: 'allocate-hardware' });
  else if (!shortage.awaited) {
    const message = shortageMessage(shortage);
    draft.add({ action: 'record-over', over: { phase: 'Failed', reason: ADMISSION_ERROR, message } });
  }
  const waiting: Waiting =
    shortage === undefined ? { reason: 'ContainerCreating' } : hardwareUnavailable(shortage);
  const live = new Set(observed.containers.filter(isLive).map(({ state }) => state.key.name));
  for (const { container } of containersInOrder(run.pod.spec))
    if (!live.has(container.name)) draft.wait(container.name, waiting);
  return false;
}

export function hardwareUnavailable(shortage: Shortage): { reason: string; message: string } {
  return { reason: 'HardwareUnavailable', message: shortageMessage(shortage) };
}

export function hardwareMissing(units: readonly string[]): { reason: string; message: string } {
  return { reason: 'HardwareMissing', message: `not attached to this device: ${units.join(', ')}` };
}

function shortageMessage({ resource, wanted, free }: Shortage): string {
  return `Allocate failed due to requested number of devices unavailable for ${resource}. Requested: ${wanted}, Available: ${free}`;
}
