/** Pod: the unit that runs on one device. This file is the door to everything a pod is made of. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import { podSpecSchema } from './pod-spec.js';
import { podStatusSchema } from './pod-status.js';

export const podSchema = struct('io.k8s.api.core.v1.Pod', {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Pod').default('Pod'),
  metadata: objectMetaSchema,
  spec: podSpecSchema,
  status: podStatusSchema.default({}),
});
export type Pod = z.infer<typeof podSchema>;

export * from './affinity.js';
export * from './container.js';
export * from './container-status.js';
export * from './pod-spec.js';
export * from './pod-status.js';
export * from './probe.js';
export * from './resources.js';
export * from './security-context.js';
export * from './volume.js';
