/** SelfSubjectRulesReview: asks for all that I may do in a namespace (`kubectl auth can-i --list`). Never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';
import { AUTHORIZATION, AUTHORIZATION_API_VERSION } from './access-review.js';

export const resourceRuleSchema = struct(`${AUTHORIZATION}.ResourceRule`, {
  verbs: atomicList(z.string()),
  apiGroups: atomicList(z.string()).optional(),
  resources: atomicList(z.string()).optional(),
  resourceNames: atomicList(z.string()).optional(),
});

export const nonResourceRuleSchema = struct(`${AUTHORIZATION}.NonResourceRule`, {
  verbs: atomicList(z.string()),
  nonResourceURLs: atomicList(z.string()).optional(),
});

export const selfSubjectRulesReviewSchema = struct(`${AUTHORIZATION}.SelfSubjectRulesReview`, {
  apiVersion: z.literal(AUTHORIZATION_API_VERSION).default(AUTHORIZATION_API_VERSION),
  kind: z.literal('SelfSubjectRulesReview').default('SelfSubjectRulesReview'),
  metadata: objectMetaSchema.prefault({}),
  spec: struct(`${AUTHORIZATION}.SelfSubjectRulesReviewSpec`, { namespace: z.string().optional() }).default(
    {},
  ),
  status: struct(`${AUTHORIZATION}.SubjectRulesReviewStatus`, {
    resourceRules: atomicList(resourceRuleSchema).default([]),
    nonResourceRules: atomicList(nonResourceRuleSchema).default([]),
    incomplete: z.boolean().default(false),
    evaluationError: z.string().optional(),
  }).prefault({}),
});
export type SelfSubjectRulesReview = z.infer<typeof selfSubjectRulesReviewSchema>;
