/**
 * AgentRelease: one version of the device agent that the fleet is to run, and how it is rolled out — to how many
 * devices at first, how many may fail, what counts as healthy. Cluster-scoped. Of the releases that are meant for a
 * device, the one made last is offered to it.
 */
import { z } from 'zod';
import { conditionSchema } from '../../meta/condition.js';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int32, int64, listMap, struct, time } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

/** Architectures of boards, in OCI's words. */
export const RELEASE_ARCHITECTURES = ['arm64', 'amd64'] as const;
export type ReleaseArchitecture = (typeof RELEASE_ARCHITECTURES)[number];

/** Paused: held by an operator. Halted: too many devices failed. Superseded: a later release took all its devices. */
const RELEASE_PHASES = ['Progressing', 'Paused', 'Halted', 'Complete', 'Superseded'] as const;
export type ReleasePhase = (typeof RELEASE_PHASES)[number];

export const agentArtifactSchema = struct(`${FLEET}.AgentArtifact`, {
  architecture: z.enum(RELEASE_ARCHITECTURES),
  /** Of the archive (tar.gz), a blob of `spec.repository`. */
  digest: z.string(),
  sizeBytes: int64(),
  /** What it takes on the device's disk; never more is unpacked. */
  unpackedBytes: int64(),
  /** Base64 of the hub's ed25519 signature over version, architecture, sizes and digest. */
  signature: z.string(),
});
export type AgentArtifact = z.infer<typeof agentArtifactSchema>;

export const agentRolloutSchema = struct(`${FLEET}.AgentRollout`, {
  /** Of the devices that the release is meant for. Raising it only adds devices. */
  percentage: int32().default(100),
  /** So many failed devices halt the rollout. */
  maxFailures: int32().default(1),
  /** Devices that may be at it at one time. */
  maxInFlight: int32().default(10),
  /** Within which the new agent must be connected and look after its pods; otherwise the device goes back. */
  healthySeconds: int32().default(300),
  /** Labels of nodes; every device when absent. */
  selector: labelSelectorSchema.optional(),
  /** No device starts, and those that have not switched yet stop. */
  paused: z.boolean().default(false),
  /** Raise it to have devices that failed try again. */
  attempt: int32().default(1),
});
export type AgentRollout = z.infer<typeof agentRolloutSchema>;

export const agentReleaseSpecSchema = struct(`${FLEET}.AgentReleaseSpec`, {
  /** A semantic version. */
  version: z.string(),
  /** Of the hub's own registry. */
  repository: z.string().default('covey/agent'),
  artifacts: listMap(agentArtifactSchema, ['architecture']),
  /** Whether devices that run a later version go back to this one. */
  allowDowngrade: z.boolean().default(false),
  rollout: agentRolloutSchema.default({
    percentage: 100,
    maxFailures: 1,
    maxInFlight: 10,
    healthySeconds: 300,
    paused: false,
    attempt: 1,
  }),
});
export type AgentReleaseSpec = z.infer<typeof agentReleaseSpecSchema>;

export const agentUpdateFailureSchema = struct(`${FLEET}.AgentUpdateFailure`, {
  device: z.string(),
  reason: z.string(),
  time: time().optional(),
});
export type AgentUpdateFailure = z.infer<typeof agentUpdateFailureSchema>;

/** Failures that a status names; more are only counted. */
export const MAX_LISTED_FAILURES = 20;

export const agentReleaseStatusSchema = struct(`${FLEET}.AgentReleaseStatus`, {
  observedGeneration: int64().optional(),
  phase: z.enum(RELEASE_PHASES).optional(),
  /** Devices that are to run it. */
  desired: int32().optional(),
  /** Of these: run it; have been offered it and are at it; failed; were not asked yet. */
  updated: int32().optional(),
  updating: int32().optional(),
  failed: int32().optional(),
  pending: int32().optional(),
  /** Devices it is meant for that cannot be updated, for example agents that nobody restarts. Not in `desired`. */
  notUpdatable: int32().optional(),
  /** One line for people. */
  message: z.string().optional(),
  failures: atomicList(agentUpdateFailureSchema).optional(),
  conditions: listMap(conditionSchema, ['type']).optional(),
});
export type AgentReleaseStatus = z.infer<typeof agentReleaseStatusSchema>;

export const agentReleaseSchema = struct(`${FLEET}.AgentRelease`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('AgentRelease').default('AgentRelease'),
  metadata: objectMetaSchema,
  spec: agentReleaseSpecSchema,
  status: agentReleaseStatusSchema.default({}),
});
export type AgentRelease = z.infer<typeof agentReleaseSchema>;
