/**
 * AgentRelease: one version of the device agent that the fleet is to run, and how it is rolled out — to how many
 * devices at first, how many may fail, what counts as healthy. Cluster-scoped. Of the releases that are meant for a
 * device, the one made last is offered to it.
 */
import { z } from 'zod';
import { conditionSchema } from '../../meta/condition.js';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, described, int32, int64, listMap, struct, time } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

/** Architectures of boards, in OCI's words. */
export const RELEASE_ARCHITECTURES = ['arm64', 'amd64'] as const;
export type ReleaseArchitecture = (typeof RELEASE_ARCHITECTURES)[number];

const RELEASE_PHASES = ['Progressing', 'Paused', 'Halted', 'Complete', 'Superseded'] as const;
export type ReleasePhase = (typeof RELEASE_PHASES)[number];

export const agentArtifactSchema = struct(`${FLEET}.AgentArtifact`, {
  architecture: described('Architecture of the boards that it is for.', z.enum(RELEASE_ARCHITECTURES)),
  digest: described(
    'Digest of the archive (tar.gz), which is a blob of spec.repository: sha256: and 64 hexadecimal digits.',
    z.string(),
  ),
  sizeBytes: described('Size of the archive.', int64()),
  unpackedBytes: described("What it takes on the device's disk; never more is unpacked.", int64()),
  signature: described(
    "Base64 of the hub's ed25519 signature over version, architecture, sizes and digest.",
    z.string(),
  ),
});
export type AgentArtifact = z.infer<typeof agentArtifactSchema>;

export const agentRolloutSchema = struct(`${FLEET}.AgentRollout`, {
  percentage: described(
    'Of the devices that the release is meant for, so many percent may take it. Raising it only adds devices.',
    int32().default(100),
  ),
  maxFailures: described('So many failed devices halt the rollout.', int32().default(1)),
  maxInFlight: described('Devices that may be updating at one time.', int32().default(10)),
  healthySeconds: described(
    'Within which the new agent must be connected and look after its pods; otherwise the device goes back by itself.',
    int32().default(300),
  ),
  selector: described('Labels of the nodes that it is for; all when absent.', labelSelectorSchema.optional()),
  paused: described(
    'No device starts to update, and those that have not switched yet stop.',
    z.boolean().default(false),
  ),
  attempt: described('Raise it to have devices that failed try again.', int32().default(1)),
});
export type AgentRollout = z.infer<typeof agentRolloutSchema>;

export const agentReleaseSpecSchema = struct(`${FLEET}.AgentReleaseSpec`, {
  version: described('Version of the agent, a semantic version such as 1.2.3. Immutable.', z.string()),
  repository: described(
    "Repository of the hub's own registry that holds the archives. Immutable.",
    z.string().default('covey/agent'),
  ),
  artifacts: described(
    'The archives, one for each architecture. Immutable.',
    listMap(agentArtifactSchema, ['architecture']),
  ),
  allowDowngrade: described(
    'Whether devices that run a later version go back to this one.',
    z.boolean().default(false),
  ),
  rollout: described(
    'How it is rolled out; may be changed at any time.',
    agentRolloutSchema.default({
      percentage: 100,
      maxFailures: 1,
      maxInFlight: 10,
      healthySeconds: 300,
      paused: false,
      attempt: 1,
    }),
  ),
});
export type AgentReleaseSpec = z.infer<typeof agentReleaseSpecSchema>;

export const agentUpdateFailureSchema = struct(`${FLEET}.AgentUpdateFailure`, {
  device: described('Name of the device.', z.string()),
  reason: described('Why it went back, as it says.', z.string()),
  time: described('When the hub learned of it.', time().optional()),
});
export type AgentUpdateFailure = z.infer<typeof agentUpdateFailureSchema>;

/** Failures that a status names; more are only counted. */
export const MAX_LISTED_FAILURES = 20;

export const agentReleaseStatusSchema = struct(`${FLEET}.AgentReleaseStatus`, {
  observedGeneration: described('Generation of the spec that the status is about.', int64().optional()),
  phase: described(
    'Progressing; Paused: held by an operator; Halted: too many devices failed; Complete; Superseded: a later release took all its devices.',
    z.enum(RELEASE_PHASES).optional(),
  ),
  desired: described('Devices that are to run it.', int32().optional()),
  updated: described('Of these, devices that run it.', int32().optional()),
  updating: described('Of these, devices that have been offered it and are at it.', int32().optional()),
  failed: described('Of these, devices that failed.', int32().optional()),
  pending: described('Of these, devices that were not asked yet.', int32().optional()),
  notUpdatable: described(
    'Devices it is meant for that cannot be updated, for example agents that nobody restarts. Not in desired.',
    int32().optional(),
  ),
  message: described('One line for people.', z.string().optional()),
  attempt: described('spec.rollout.attempt that the failures are of.', int32().optional()),
  failures: described(
    `Devices that failed, at most ${MAX_LISTED_FAILURES} of them; they are not offered it again in this attempt.`,
    atomicList(agentUpdateFailureSchema).optional(),
  ),
  conditions: described(
    'Progressing, Halted and Complete, with their reasons.',
    listMap(conditionSchema, ['type']).optional(),
  ),
});
export type AgentReleaseStatus = z.infer<typeof agentReleaseStatusSchema>;

export const agentReleaseSchema = struct(`${FLEET}.AgentRelease`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('AgentRelease').default('AgentRelease'),
  metadata: objectMetaSchema,
  spec: described('The version, and how it is rolled out.', agentReleaseSpecSchema),
  status: described('How far the rollout is; written by the hub.', agentReleaseStatusSchema.default({})),
});
export type AgentRelease = z.infer<typeof agentReleaseSchema>;
