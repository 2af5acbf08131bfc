/** ReplicaSets. */
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';
import { scaleProjection } from './scale.js';
import { validateSelectorUnchanged } from './workload.js';

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  countsGeneration: true,
  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },
  updates: {
    '': { prepare: keepStatus, validate: validateSelectorUnchanged },
    status: { prepare: keepAllButStatus },
  },
  projections: { scale: scaleProjection<ReplicaSet>() },
};
