/** Eviction: asks for a pod to be deleted gracefully; posted to pods/eviction (`kubectl drain`). */
import { z } from 'zod';
import { deleteOptionsSchema } from '../../meta/delete-options.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';

export const evictionSchema = struct('io.k8s.api.policy.v1.Eviction', {
  apiVersion: z.literal('policy/v1').default('policy/v1'),
  kind: z.literal('Eviction').default('Eviction'),
  metadata: objectMetaSchema,
  deleteOptions: deleteOptionsSchema.optional(),
});
export type Eviction = z.infer<typeof evictionSchema>;
