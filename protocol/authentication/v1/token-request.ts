/** TokenRequest: asks for a service account's token; posted to serviceaccounts/token. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int64, struct, time } from '../../meta/schema.js';

const AUTHENTICATION = 'io.k8s.api.authentication.v1';

export const tokenRequestSchema = struct(`${AUTHENTICATION}.TokenRequest`, {
  apiVersion: z.literal('authentication.k8s.io/v1').default('authentication.k8s.io/v1'),
  kind: z.literal('TokenRequest').default('TokenRequest'),
  metadata: objectMetaSchema.prefault({}),
  spec: struct(`${AUTHENTICATION}.TokenRequestSpec`, {
    audiences: atomicList(z.string()).default([]),
    expirationSeconds: int64().default(3600),
    attestations: z.record(z.string(), z.array(z.string())).optional(),
    boundObjectRef: struct(`${AUTHENTICATION}.BoundObjectReference`, {
      kind: z.string().optional(),
      apiVersion: z.string().optional(),
      name: z.string().optional(),
      uid: z.string().optional(),
    }).optional(),
  }).prefault({}),
  status: struct(`${AUTHENTICATION}.TokenRequestStatus`, {
    token: z.string().default(''),
    expirationTimestamp: time().optional(),
  }).prefault({}),
});
export type TokenRequest = z.infer<typeof tokenRequestSchema>;
