/** Agent releases and devices as the planner sees them, with what a test does not care about filled in. */
import type { FleetDevice } from '#hub/controllers/agent-release/assign.js';
import {
  type AgentRelease,
  type AgentRollout,
  agentReleaseSchema,
} from '#protocol/fleet/v1alpha1/agent-release.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { formatTime } from '#protocol/meta/time.js';

export interface ReleaseChanges {
  readonly version: string;
  readonly rollout?: Partial<AgentRollout>;
  readonly allowDowngrade?: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt?: number;
}

export function agentRelease({
  version,
  rollout,
  allowDowngrade,
  createdAt = 0,
}: ReleaseChanges): AgentRelease {
  const release = agentReleaseSchema.parse({
    metadata: newObjectMeta({ name: version }),
    spec: {
      version,
      artifacts: [
        {
          architecture: 'arm64',
          digest: `sha256:${'0'.repeat(64)}`,
          sizeBytes: 1000,
          unpackedBytes: 3000,
          signature: `${'A'.repeat(86)}==`,
        },
      ],
      ...(allowDowngrade === undefined ? {} : { allowDowngrade }),
      ...(rollout === undefined ? {} : { rollout }),
    },
  });
  release.metadata.uid = `uid-of-${version}`;
  release.metadata.creationTimestamp = formatTime(createdAt);
  return release;
}

export function fleetDevice(changes: Partial<FleetDevice> & { readonly name: string }): FleetDevice {
  return {
    labels: {},
    architecture: 'arm64',
    online: true,
    lastHeard: undefined,
    running: '1.0.0',
    offered: undefined,
    update: undefined,
    ...changes,
  };
}
