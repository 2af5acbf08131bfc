/** ClusterRoleBinding: gives a ClusterRole to subjects everywhere. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';
import { RBAC_API_VERSION, roleRefSchema, subjectSchema } from './policy-rule.js';

export const clusterRoleBindingSchema = struct('io.k8s.api.rbac.v1.ClusterRoleBinding', {
  apiVersion: z.literal(RBAC_API_VERSION).default(RBAC_API_VERSION),
  kind: z.literal('ClusterRoleBinding').default('ClusterRoleBinding'),
  metadata: objectMetaSchema,
  subjects: atomicList(subjectSchema).optional(),
  roleRef: roleRefSchema,
});
export type ClusterRoleBinding = z.infer<typeof clusterRoleBindingSchema>;
