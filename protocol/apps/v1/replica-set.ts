/** ReplicaSet: keeps a number of copies of one pod. */
import { z } from 'zod';
import { podTemplateSpecSchema } from '../../core/v1/pod-template-spec.js';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { int32, int64, listMap, struct, time } from '../../meta/schema.js';

const APPS = 'io.k8s.api.apps.v1';

export const replicaSetSpecSchema = struct(`${APPS}.ReplicaSetSpec`, {
  replicas: int32().default(1),
  minReadySeconds: int32().optional(),
  selector: labelSelectorSchema,
  template: podTemplateSpecSchema,
});
export type ReplicaSetSpec = z.infer<typeof replicaSetSpecSchema>;

export const replicaSetConditionSchema = struct(`${APPS}.ReplicaSetCondition`, {
  type: z.string(),
  status: z.string(),
  lastTransitionTime: time().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type ReplicaSetCondition = z.infer<typeof replicaSetConditionSchema>;

export const replicaSetStatusSchema = struct(`${APPS}.ReplicaSetStatus`, {
  replicas: int32(),
  fullyLabeledReplicas: int32().optional(),
  readyReplicas: int32().optional(),
  availableReplicas: int32().optional(),
  terminatingReplicas: int32().optional(),
  observedGeneration: int64().optional(),
  conditions: listMap(replicaSetConditionSchema, ['type']).optional(),
});
export type ReplicaSetStatus = z.infer<typeof replicaSetStatusSchema>;

export const replicaSetSchema = struct(`${APPS}.ReplicaSet`, {
  apiVersion: z.literal('apps/v1').default('apps/v1'),
  kind: z.literal('ReplicaSet').default('ReplicaSet'),
  metadata: objectMetaSchema,
  spec: replicaSetSpecSchema,
  status: replicaSetStatusSchema.default({ replicas: 0 }),
});
export type ReplicaSet = z.infer<typeof replicaSetSchema>;
