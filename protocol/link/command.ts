/**
 * Command, hub → device, QoS 1: things to do once. A command belongs to one session: one that arrives with
 * another epoch, or a second time, is dropped. Unknown ones are ignored and counted.
 */
import { z } from 'zod';

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
  z.object({ kind: z.literal('update-agent'), version: z.string(), url: z.string(), sha256: z.string() }),
  z.object({ kind: z.literal('reboot'), reason: z.string() }),
]);
export type Command = z.infer<typeof commandSchema>;

/** Renew, device → hub, QoS 1: a certificate request (PEM) for the device's own name. */
export const renewSchema = z.object({ csr: z.string() });
export type Renew = z.infer<typeof renewSchema>;
