/** RoleBinding: gives a Role or ClusterRole to subjects within one namespace. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';
import { RBAC_API_VERSION, roleRefSchema, subjectSchema } from './policy-rule.js';

export const roleBindingSchema = struct('io.k8s.api.rbac.v1.RoleBinding', {
  apiVersion: z.literal(RBAC_API_VERSION).default(RBAC_API_VERSION),
  kind: z.literal('RoleBinding').default('RoleBinding'),
  metadata: objectMetaSchema,
  subjects: atomicList(subjectSchema).optional(),
  roleRef: roleRefSchema,
});
export type RoleBinding = z.infer<typeof roleBindingSchema>;
