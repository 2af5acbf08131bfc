/** Namespace: a scope for names. Its `kubernetes` finalizer in spec is settled through the finalize subresource. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, listMap, struct, time } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

export const namespaceConditionSchema = struct(`${CORE}.NamespaceCondition`, {
  type: z.string(),
  status: z.string(),
  lastTransitionTime: time().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type NamespaceCondition = z.infer<typeof namespaceConditionSchema>;

export const namespaceSchema = struct(`${CORE}.Namespace`, {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Namespace').default('Namespace'),
  metadata: objectMetaSchema,
  spec: struct(`${CORE}.NamespaceSpec`, { finalizers: atomicList(z.string()).optional() }).default({}),
  status: struct(`${CORE}.NamespaceStatus`, {
    phase: z.enum(['Active', 'Terminating']).optional(),
    conditions: listMap(namespaceConditionSchema, ['type']).optional(),
  }).default({}),
});
export type Namespace = z.infer<typeof namespaceSchema>;
