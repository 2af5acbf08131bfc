/**
 * Updates of the agent: what the hub offers, what a device says became of it, and the text that a release's
 * signature is made over. An offer stands for one session; a device that already knows its end answers with that.
 */
import { z } from 'zod';

/** Downloading and Installing can still be called off; on trial the agent proves itself or the device goes back. */
export const UPDATE_STATES = ['Downloading', 'Installing', 'OnTrial', 'Updated', 'Failed'] as const;
export type UpdateState = (typeof UPDATE_STATES)[number];

export const MAX_UPDATE_REASON = 1_024;

export const updateOutcomeSchema = z.object({
  /** As in the offer. */
  offer: z.string().max(128),
  version: z.string().max(128),
  state: z.enum(UPDATE_STATES),
  /** For a person; given when it failed, and when something holds it up. */
  reason: z.string().max(MAX_UPDATE_REASON).optional(),
});
export type UpdateOutcome = z.infer<typeof updateOutcomeSchema>;

/** Part of hello and of node reports. */
export const agentUpdateSchema = z.object({
  /** The release that runs; absent where the agent cannot update itself. */
  release: z.string().max(128).optional(),
  /** Why it cannot. */
  refusal: z.string().max(256).optional(),
  /** Whether it has the key that releases are signed with. */
  hasKey: z.boolean(),
  /** What became of the last offer. */
  last: updateOutcomeSchema.optional(),
});
export type AgentUpdate = z.infer<typeof agentUpdateSchema>;

export const updateOfferSchema = z.object({
  /** Names the offer: another one of the same version is a new try. */
  offer: z.string().max(128),
  version: z.string().max(128),
  /** Of the hub's own registry. */
  repository: z.string().max(256),
  digest: z.string().max(128),
  sizeBytes: z.number().int().positive(),
  unpackedBytes: z.number().int().positive(),
  /** Base64. */
  signature: z.string().max(256),
  healthySeconds: z.number().int().positive(),
});
export type UpdateOffer = z.infer<typeof updateOfferSchema>;

/** What is said of an archive besides its signature. */
export interface SignedArtifact {
  /** In OCI's words. */
  readonly architecture: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
}

/** What is signed. A signature is good for one version on one architecture, and for nothing else made by the key. */
export function releaseStatement(
  version: string,
  { architecture, digest, sizeBytes, unpackedBytes }: SignedArtifact,
): string {
  return `covey agent release v1\n${version}\n${architecture}\n${sizeBytes}\n${unpackedBytes}\n${digest}\n`;
}
