/** Role: what may be done within one namespace. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';
import { policyRuleSchema, RBAC_API_VERSION } from './policy-rule.js';

export const roleSchema = struct('io.k8s.api.rbac.v1.Role', {
  apiVersion: z.literal(RBAC_API_VERSION).default(RBAC_API_VERSION),
  kind: z.literal('Role').default('Role'),
  metadata: objectMetaSchema,
  rules: atomicList(policyRuleSchema).default([]),
});
export type Role = z.infer<typeof roleSchema>;
