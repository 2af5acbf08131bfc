/**
 * Joining over HTTPS: POST /join with a token and a certificate request, answered by the device's certificate
 * and where its broker is. GET /join answers the hub's authority, for devices that know only its fingerprint.
 */
import { z } from 'zod';

export const JOIN_PATH = '/join';
export const MAX_JOIN_BYTES = 32 * 1024;

export const joinRequestSchema = z.object({
  /** Name that the device wants: DNS-1123, at most 63 characters. */
  device: z.string(),
  token: z.string().max(256),
  /** PKCS#10 PEM. */
  csr: z.string().max(16 * 1024),
  /** From the device tree, for people who look at the fleet. */
  model: z.string().max(256).optional(),
  agentVersion: z.string().max(128).optional(),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export const joinAnswerSchema = z.object({
  device: z.string(),
  /** PEM. */
  certificate: z.string(),
  /** PEM of the authority. */
  ca: z.string(),
  /** MQTT addresses `host:port`, in order of preference. */
  mqtt: z.array(z.string()).min(1),
  epochBase: z.number().int().nonnegative(),
});
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

export const authorityAnswerSchema = z.object({ ca: z.string() });
