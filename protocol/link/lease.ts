/**
 * Lease, hub → device, QoS 0: the answer to a beat that asks for one, and the acknowledgement of reports.
 * The device counts a lease from the moment when it sent the beat that is answered, on its monotonic clock;
 * the hub counts it from the moment when it answered. So the device's lease always ends first.
 */
import { z } from 'zod';

export const leaseSchema = z.object({
  /** Sequence of the beat that this answers; absent on a message that only acknowledges reports. */
  beat: z.number().int().nonnegative().optional(),
  /** Absent while the hub is not sure that the device has let go of what is not its own any more. */
  grant: z
    .object({
      durationMs: z.number().int().positive(),
      /** The cadence at which to beat from now on. */
      beatIntervalMs: z.number().int().positive(),
    })
    .optional(),
  /** Milliseconds since the epoch by the hub's clock: what a board without a clock checks certificates against. */
  hubTime: z.number().int().nonnegative(),
  /** Every report up to this sequence is processed and may be forgotten. */
  reportAck: z.number().int().nonnegative().optional(),
});
export type LeaseMessage = z.infer<typeof leaseSchema>;
