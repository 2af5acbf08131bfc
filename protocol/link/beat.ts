/**
 * Beat, device → hub, QoS 0: "I am here". Sent at the cadence of the last lease, and at once when something
 * below changes. Keys are one letter: this message decides what an idle device costs on a metered link.
 */
import { z } from 'zod';
import { cadenceClassSchema } from './cadence-class.js';

export const beatSchema = z.object({
  /** 1: answer with a lease. Absent while more than half of the lease is left: the hub then stays silent. */
  l: z.literal(1).optional(),
  /** Sequence of the last assignment that is safe on the device's disk, with all before it. */
  a: z.number().int().nonnegative().optional(),
  /** 1: the agent is about to be started again. Answered by a lease of RESTART_LEASE_MS. */
  r: z.literal(1).optional(),
  /** Cadence class of what the device runs, once after each change. */
  c: cadenceClassSchema.optional(),
});
export type Beat = z.infer<typeof beatSchema>;
