/** SubjectAccessReview: asks whether a user may do something. Answered, never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import {
  AUTHORIZATION,
  AUTHORIZATION_API_VERSION,
  subjectAccessReviewSpecSchema,
  subjectAccessReviewStatusSchema,
} from './access-review.js';

export const subjectAccessReviewSchema = struct(`${AUTHORIZATION}.SubjectAccessReview`, {
  apiVersion: z.literal(AUTHORIZATION_API_VERSION).default(AUTHORIZATION_API_VERSION),
  kind: z.literal('SubjectAccessReview').default('SubjectAccessReview'),
  metadata: objectMetaSchema.prefault({}),
  spec: subjectAccessReviewSpecSchema,
  status: subjectAccessReviewStatusSchema.default({ allowed: false }),
});
export type SubjectAccessReview = z.infer<typeof subjectAccessReviewSchema>;
