/**
 * Lease, hub → device, QoS 0: the answer to a beat that asks for one, and the acknowledgement of reports. Keys
 * are one letter, as in the beat. The device counts a lease from the moment when it sent the beat that is
 * answered, on its monotonic clock; the hub counts it from the moment when it answered. So the device's lease
 * always ends first.
 */
import { z } from 'zod';

export const leaseSchema = z.object({
  /** Sequence of the beat that this answers; absent on a message that only acknowledges reports. */
  b: z.number().int().nonnegative().optional(),
  /**
   * Duration of the lease in milliseconds; absent while the hub is not sure that the device has let go of what
   * is not its own any more.
   */
  d: z.number().int().positive().optional(),
  /** Interval in milliseconds at which to beat from now on; comes with a duration. */
  i: z.number().int().positive().optional(),
  /** Milliseconds since the epoch by the hub's clock: what a board without a clock checks certificates against. */
  t: z.number().int().nonnegative(),
  /** Every report up to this sequence is processed and may be forgotten. */
  a: z.number().int().nonnegative().optional(),
});
export type LeaseMessage = z.infer<typeof leaseSchema>;
