/** TokenReview: asks whom a bearer token belongs to. Answered, never stored. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, struct } from '../../meta/schema.js';

const AUTHENTICATION = 'io.k8s.api.authentication.v1';

export const userInfoSchema = struct(`${AUTHENTICATION}.UserInfo`, {
  username: z.string().optional(),
  uid: z.string().optional(),
  groups: atomicList(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
});

export const tokenReviewSchema = struct(`${AUTHENTICATION}.TokenReview`, {
  apiVersion: z.literal('authentication.k8s.io/v1').default('authentication.k8s.io/v1'),
  kind: z.literal('TokenReview').default('TokenReview'),
  metadata: objectMetaSchema.prefault({}),
  spec: struct(`${AUTHENTICATION}.TokenReviewSpec`, {
    token: z.string().optional(),
    audiences: atomicList(z.string()).optional(),
  }).default({}),
  status: struct(`${AUTHENTICATION}.TokenReviewStatus`, {
    authenticated: z.boolean().optional(),
    user: userInfoSchema.optional(),
    audiences: atomicList(z.string()).optional(),
    error: z.string().optional(),
  }).default({}),
});
export type TokenReview = z.infer<typeof tokenReviewSchema>;
