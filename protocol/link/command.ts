/**
 * Command, hub → device, QoS 1: things to do once. A command belongs to one session: one that arrives with
 * another epoch, or a second time, is dropped. Unknown ones are ignored and counted.
 */
import { z } from 'zod';
import { updateOfferSchema } from './agent-update.js';

export const commandSchema = z.discriminatedUnion('kind', [
  /** Say hello again: the hub does not know what the device has. */
  z.object({ kind: z.literal('hello') }),
  /** Make a new key and ask for a certificate on `renew`. */
  z.object({ kind: z.literal('rotate-certificate') }),
  /** The answer to `renew`. */
  z.object({
    kind: z.literal('certificate'),
    /** PEM. */
    certificate: z.string(),
    /** PEM; may hold several during a change of CA. */
    ca: z.string(),
  }),
  /** Become another release of the agent. The latest offer counts. */
  updateOfferSchema.extend({ kind: z.literal('update-agent') }),
  /** The offer stands no more: stop unless the device has switched already. */
  z.object({ kind: z.literal('withdraw-update'), offer: z.string().max(128) }),
  /** PEM of the key that releases are signed with; kept by a device that has none. */
  z.object({ kind: z.literal('release-key'), key: z.string().max(4096) }),
  /** Restart the board, unless it has restarted since this boot. */
  z.object({ kind: z.literal('reboot'), bootId: z.string().max(128), reason: z.string().max(256) }),
]);
export type Command = z.infer<typeof commandSchema>;

/** Renew, device → hub, QoS 1: a certificate request (PEM) for the device's own name. */
export const renewSchema = z.object({ csr: z.string() });
export type Renew = z.infer<typeof renewSchema>;
