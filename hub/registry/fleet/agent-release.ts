/** Agent releases: what was published never changes, so that what devices were offered stays what it was. */
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import { type FieldError, invalid } from '#protocol/meta/field-error.js';
import { sameJson } from '../../lib/same-json.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';

const FIXED = ['version', 'repository', 'artifacts'] as const;

export const agentReleaseStrategy: Strategy<AgentRelease> = {
  countsGeneration: true,
  prepareForCreate(release) {
    release.status = {};
  },
  updates: {
    '': { prepare: keepStatus, validate: refuseChanges },
    status: { prepare: keepAllButStatus },
  },
};

function refuseChanges({ spec }: Readonly<AgentRelease>, old: Readonly<AgentRelease>): FieldError[] {
  return FIXED.filter((field) => !sameJson(spec[field], old.spec[field])).map((field) =>
    invalid(`spec.${field}`, spec[field], 'field is immutable: publish another version'),
  );
}
