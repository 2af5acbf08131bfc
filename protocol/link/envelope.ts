/**
 * The envelope around every JSON message of the link. Keys are one letter because a beat is sent for years:
 * `v` version, `e` session epoch of the device, `s` sequence, `h` hub instance (downward only), `b` body.
 * Epoch and sequence make reordered, repeated and stale messages recognisable; together with the topic they
 * are the message's identity.
 */
import { z } from 'zod';

/** The wire version. A message with a higher one is ignored and counted: its meaning is not known. */
export const LINK_VERSION: number = 1;

export const envelopeSchema = z.object({
  /** Absent means 1. */
  v: z.number().int().positive().optional(),
  /** Strictly increasing per device over all its connections and reboots; 0 is never used. */
  e: z.number().int().nonnegative(),
  /** Strictly increasing per topic within an epoch and hub instance; reports keep theirs over epochs. */
  s: z.number().int().nonnegative(),
  /** Identifies one run of the hub, so that a restarted hub may start counting again. */
  h: z.string().max(64).optional(),
  b: z.unknown().optional(),
});
export type WireEnvelope = z.infer<typeof envelopeSchema>;

export interface Envelope {
  readonly epoch: number;
  readonly sequence: number;
  /** Present on messages from the hub. */
  readonly hubInstance?: string;
}

/** The name of a message in logs. */
export function messageId(device: string, kind: string, envelope: Envelope): string {
  return `${device}/${kind}/${envelope.epoch}.${envelope.sequence}`;
}
