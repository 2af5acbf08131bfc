/** ClusterRole: what may be done anywhere; its rules may be gathered from other roles by label. */
import { z } from 'zod';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';
import { policyRuleSchema, RBAC_API_VERSION } from './policy-rule.js';

const RBAC = 'io.k8s.api.rbac.v1';

export const clusterRoleSchema = struct(`${RBAC}.ClusterRole`, {
  apiVersion: z.literal(RBAC_API_VERSION).default(RBAC_API_VERSION),
  kind: z.literal('ClusterRole').default('ClusterRole'),
  metadata: objectMetaSchema,
  rules: atomicList(policyRuleSchema).default([]),
  aggregationRule: struct(`${RBAC}.AggregationRule`, {
    clusterRoleSelectors: atomicList(labelSelectorSchema).optional(),
  }).optional(),
});
export type ClusterRole = z.infer<typeof clusterRoleSchema>;
