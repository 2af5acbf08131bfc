/**
 * Presence, device → hub, QoS 1, retained, and the last will: birth and death of one session. The epoch in
 * the envelope says which: a death with an epoch other than the current one is stale and ignored.
 */
import { z } from 'zod';

export const presenceSchema = z.object({
  state: z.enum(['birth', 'death']),
  /** The kernel's boot id: tells a reboot from a reconnect. */
  bootId: z.string().max(128),
  /** Why the session ended, when the device itself ended it. */
  reason: z.string().max(256).optional(),
});
export type Presence = z.infer<typeof presenceSchema>;
