/** SelfSubjectReview: asks who I am (`kubectl auth whoami`). Answered, never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import { userInfoSchema } from './token-review.js';

const AUTHENTICATION = 'io.k8s.api.authentication.v1';

export const selfSubjectReviewSchema = struct(`${AUTHENTICATION}.SelfSubjectReview`, {
  apiVersion: z.literal('authentication.k8s.io/v1').default('authentication.k8s.io/v1'),
  kind: z.literal('SelfSubjectReview').default('SelfSubjectReview'),
  metadata: objectMetaSchema.prefault({}),
  status: struct(`${AUTHENTICATION}.SelfSubjectReviewStatus`, {
    userInfo: userInfoSchema.optional(),
  }).default({}),
});
export type SelfSubjectReview = z.infer<typeof selfSubjectReviewSchema>;
