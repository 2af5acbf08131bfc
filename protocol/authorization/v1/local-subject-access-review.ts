/** LocalSubjectAccessReview: asks whether a user may do something in one namespace. Answered, never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import {
  AUTHORIZATION,
  AUTHORIZATION_API_VERSION,
  subjectAccessReviewSpecSchema,
  subjectAccessReviewStatusSchema,
} from './access-review.js';

export const localSubjectAccessReviewSchema = struct(`${AUTHORIZATION}.LocalSubjectAccessReview`, {
  apiVersion: z.literal(AUTHORIZATION_API_VERSION).default(AUTHORIZATION_API_VERSION),
  kind: z.literal('LocalSubjectAccessReview').default('LocalSubjectAccessReview'),
  metadata: objectMetaSchema.prefault({}),
  spec: subjectAccessReviewSpecSchema,
  status: subjectAccessReviewStatusSchema.default({ allowed: false }),
});
export type LocalSubjectAccessReview = z.infer<typeof localSubjectAccessReviewSchema>;
