/** What RBAC's four kinds share: rules, subjects and the reference to a role. */
import { z } from 'zod';
import { atomicList, atomicStruct, struct } from '../../meta/schema.js';

const RBAC = 'io.k8s.api.rbac.v1';
export const RBAC_GROUP = 'rbac.authorization.k8s.io';
export const RBAC_API_VERSION = 'rbac.authorization.k8s.io/v1';

export const policyRuleSchema = struct(`${RBAC}.PolicyRule`, {
  verbs: atomicList(z.string()),
  apiGroups: atomicList(z.string()).optional(),
  resources: atomicList(z.string()).optional(),
  resourceNames: atomicList(z.string()).optional(),
  nonResourceURLs: atomicList(z.string()).optional(),
});
export type PolicyRule = z.infer<typeof policyRuleSchema>;

/** `apiGroup` is defaulted from `kind`: '' for ServiceAccount, RBAC's own for User and Group. */
export const subjectSchema = atomicStruct(
  struct(`${RBAC}.Subject`, {
    kind: z.string(),
    apiGroup: z.string().optional(),
    name: z.string(),
    namespace: z.string().optional(),
  }),
);
export type Subject = z.infer<typeof subjectSchema>;

export const roleRefSchema = atomicStruct(
  struct(`${RBAC}.RoleRef`, {
    apiGroup: z.string().default(RBAC_GROUP),
    kind: z.string(),
    name: z.string(),
  }),
);
export type RoleRef = z.infer<typeof roleRefSchema>;
