/**
 * Joining over HTTPS: POST /join with a token and a certificate request, answered by the device's certificate
 * and where its broker is. GET /join answers the hub's authority, for devices that know only its fingerprint.
 */
import { z } from 'zod';
import { FINDING_SEVERITIES, MAX_FINDING_MESSAGE, MAX_FINDINGS } from './board-finding.js';

export const JOIN_PATH = '/join';
export const RENEW_PATH = '/join/renew';
export const MAX_JOIN_BYTES = 64 * 1024;
/** A label's value holds no more. */
const MAX_SITE = 63;

/** What a board says of itself. Nobody vouches for it but the holder of a good token. */
export const boardSchema = z.object({
  /** From the device tree; absent where the board has none of its own. */
  serial: z.string().max(128).optional(),
  model: z.string().max(256).optional(),
  /** The device tree's compatible strings, most specific first. */
  compatible: z.array(z.string().max(128)).max(16).optional(),
});
export type Board = z.infer<typeof boardSchema>;

export const findingSchema = z.object({
  check: z.string().max(64),
  severity: z.enum(FINDING_SEVERITIES),
  message: z.string().max(MAX_FINDING_MESSAGE),
});

export const joinRequestSchema = z.object({
  /** Name that the device wants: DNS-1123, at most 63 characters. */
  device: z.string(),
  /** The name is only what the machine happens to be called: the hub may answer with another. */
  anyName: z.boolean().optional(),
  token: z.string().max(256),
  /** PKCS#10 PEM. */
  csr: z.string().max(16 * 1024),
  /** From the device tree, for people who look at the fleet. */
  model: z.string().max(256).optional(),
  agentVersion: z.string().max(128).optional(),
  /** Where it stands: Device.spec.site, where nobody has said another. */
  site: z.string().max(MAX_SITE).optional().catch(undefined),
  // A fact that this hub cannot read is no reason to keep a device out.
  board: boardSchema.optional().catch(undefined),
  findings: z.array(findingSchema).max(MAX_FINDINGS).optional().catch(undefined),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export const joinAnswerSchema = z.object({
  /** Its name from now on: another than it asked for where the hub knows the board by that name. */
  device: z.string(),
  /** PEM. */
  certificate: z.string(),
  /** PEM of the authority. */
  ca: z.string(),
  /** MQTT addresses `host:port`, in order of preference. */
  mqtt: z.array(z.string()).min(1),
  epochBase: z.number().int().nonnegative(),
  /** The hub's time, milliseconds since the epoch. */
  time: z.number().int().positive().optional(),
  /** PEM of the ed25519 key that agent releases are signed with. */
  releaseKey: z.string().max(4096).optional(),
});
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

/** A new certificate for one that has run out: asked for by who has its key. */
export const renewRequestSchema = z.object({
  /** PEM of the certificate that has run out. */
  certificate: z.string().max(16 * 1024),
  /** PKCS#10 PEM for the key of that certificate, which signs it. */
  csr: z.string().max(16 * 1024),
});
export type RenewRequest = z.infer<typeof renewRequestSchema>;

export const authorityAnswerSchema = z.object({
  ca: z.string(),
  /** The hub's time, milliseconds since the epoch. */
  time: z.number().int().positive().optional(),
});

/** Reasons of Statuses with which a join is refused, besides those of Kubernetes. */
export const JOIN_REFUSAL = {
  /** An operator has to approve; asking again is of use. */
  pendingApproval: 'PendingApproval',
  /** The claim was used by another machine. */
  claimSpent: 'ClaimSpent',
} as const;
