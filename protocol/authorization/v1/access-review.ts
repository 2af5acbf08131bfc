/** What the access reviews share: the attributes of the request asked about, and the answer. */
import { z } from 'zod';
import { labelSelectorRequirementSchema } from '../../meta/label-selector-schema.js';
import { atomicList, struct } from '../../meta/schema.js';

export const AUTHORIZATION = 'io.k8s.api.authorization.v1';
export const AUTHORIZATION_API_VERSION = 'authorization.k8s.io/v1';

export const resourceAttributesSchema = struct(`${AUTHORIZATION}.ResourceAttributes`, {
  namespace: z.string().optional(),
  verb: z.string().optional(),
  group: z.string().optional(),
  version: z.string().optional(),
  resource: z.string().optional(),
  subresource: z.string().optional(),
  name: z.string().optional(),
  fieldSelector: struct(`${AUTHORIZATION}.FieldSelectorAttributes`, {
    rawSelector: z.string().optional(),
    requirements: atomicList(
      struct('io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement', {
        key: z.string(),
        operator: z.string(),
        values: atomicList(z.string()).optional(),
      }),
    ).optional(),
  }).optional(),
  labelSelector: struct(`${AUTHORIZATION}.LabelSelectorAttributes`, {
    rawSelector: z.string().optional(),
    requirements: atomicList(labelSelectorRequirementSchema).optional(),
  }).optional(),
});
export type ResourceAttributes = z.infer<typeof resourceAttributesSchema>;

export const nonResourceAttributesSchema = struct(`${AUTHORIZATION}.NonResourceAttributes`, {
  path: z.string().optional(),
  verb: z.string().optional(),
});

export const subjectAccessReviewSpecSchema = struct(`${AUTHORIZATION}.SubjectAccessReviewSpec`, {
  resourceAttributes: resourceAttributesSchema.optional(),
  nonResourceAttributes: nonResourceAttributesSchema.optional(),
  user: z.string().optional(),
  groups: atomicList(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
  uid: z.string().optional(),
});

export const selfSubjectAccessReviewSpecSchema = struct(`${AUTHORIZATION}.SelfSubjectAccessReviewSpec`, {
  resourceAttributes: resourceAttributesSchema.optional(),
  nonResourceAttributes: nonResourceAttributesSchema.optional(),
});

export const subjectAccessReviewStatusSchema = struct(`${AUTHORIZATION}.SubjectAccessReviewStatus`, {
  allowed: z.boolean(),
  denied: z.boolean().optional(),
  reason: z.string().optional(),
  evaluationError: z.string().optional(),
});
