/** What the hub last asked of this device for one pod, as it is kept on disk. */
import { z } from 'zod';
import { type Assignment, removeAssignmentSchema, runAssignmentSchema } from '#protocol/link/assignment.js';

export const desiredPodSchema = z.object({
  uid: z.string(),
  /** Revision of the last accepted assignment, run or remove. */
  revision: z.string(),
  /** When the pod was first accepted, milliseconds since the epoch; its status.startTime. */
  acceptedAt: z.number(),
  /** Absent when only a removal was ever received. */
  run: runAssignmentSchema.optional(),
  /** Set once the hub wants nothing of the pod left here. */
  removal: removeAssignmentSchema.optional(),
});
export type DesiredPod = z.infer<typeof desiredPodSchema>;

/**
 * The entry after accepting `assignment`, or undefined when it changes nothing (same uid, revision and action).
 * A removal keeps the pod that it removes: stopping it gracefully needs its spec.
 */
export function acceptAssignment(
  current: DesiredPod | undefined,
  assignment: Assignment,
  now: number,
): DesiredPod | undefined {
  const action = current?.removal === undefined ? 'run' : 'remove';
  if (current?.revision === assignment.revision && action === assignment.action) return undefined;
  const base = { uid: assignment.uid, revision: assignment.revision, acceptedAt: current?.acceptedAt ?? now };
  if (assignment.action === 'run') return { ...base, run: assignment };
  return { ...base, ...(current?.run && { run: current.run }), removal: assignment };
}
