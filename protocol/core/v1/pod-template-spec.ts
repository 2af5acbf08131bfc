/** The pod that a workload makes copies of. */
import type { z } from 'zod';
import { templateMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import { podSpecSchema } from './pod-spec.js';

export const podTemplateSpecSchema = struct('io.k8s.api.core.v1.PodTemplateSpec', {
  metadata: templateMetaSchema.default({}),
  spec: podSpecSchema,
});
export type PodTemplateSpec = z.infer<typeof podTemplateSpecSchema>;
