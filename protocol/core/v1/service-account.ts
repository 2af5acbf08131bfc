/** ServiceAccount: the identity under which a pod speaks to the API. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, listMap, struct } from '../../meta/schema.js';
import { localObjectReferenceSchema, objectReferenceSchema } from './reference.js';

export const serviceAccountSchema = struct('io.k8s.api.core.v1.ServiceAccount', {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('ServiceAccount').default('ServiceAccount'),
  metadata: objectMetaSchema,
  secrets: listMap(objectReferenceSchema, ['name']).optional(),
  imagePullSecrets: atomicList(localObjectReferenceSchema).optional(),
  automountServiceAccountToken: z.boolean().optional(),
});
export type ServiceAccount = z.infer<typeof serviceAccountSchema>;
