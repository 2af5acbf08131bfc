/** SelfSubjectAccessReview: asks whether I may do something (`kubectl auth can-i`). Answered, never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import {
  AUTHORIZATION,
  AUTHORIZATION_API_VERSION,
  selfSubjectAccessReviewSpecSchema,
  subjectAccessReviewStatusSchema,
} from './access-review.js';

export const selfSubjectAccessReviewSchema = struct(`${AUTHORIZATION}.SelfSubjectAccessReview`, {
  apiVersion: z.literal(AUTHORIZATION_API_VERSION).default(AUTHORIZATION_API_VERSION),
  kind: z.literal('SelfSubjectAccessReview').default('SelfSubjectAccessReview'),
  metadata: objectMetaSchema.prefault({}),
  spec: selfSubjectAccessReviewSpecSchema,
  status: subjectAccessReviewStatusSchema.default({ allowed: false }),
});
export type SelfSubjectAccessReview = z.infer<typeof selfSubjectAccessReviewSchema>;
