/** Deployments. Their generation also counts changes of annotations, which rollouts are steered by. */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';
import { scaleProjection } from './scale.js';
import { validateSelectorUnchanged } from './workload.js';

export const deploymentStrategy: Strategy<Deployment> = {
  countsGeneration: true,
  generationCountsAnnotations: true,
  prepareForCreate(deployment) {
    deployment.status = {};
  },
  updates: {
    '': { prepare: keepStatus, validate: validateSelectorUnchanged },
    status: { prepare: keepAllButStatus },
  },
  projections: { scale: scaleProjection<Deployment>() },
};
