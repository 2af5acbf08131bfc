/** Deployment: keeps replicas of a pod running and replaces them step by step when the template changes. */
import { z } from 'zod';
import { podTemplateSpecSchema } from '../../core/v1/pod-template-spec.js';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { int32, int64, intOrString, listMap, retainKeys, struct, time } from '../../meta/schema.js';

const APPS = 'io.k8s.api.apps.v1';

/** `rollingUpdate` is defaulted to 25 % / 25 % when the type is RollingUpdate. */
export const deploymentStrategySchema = retainKeys(
  struct(`${APPS}.DeploymentStrategy`, {
    type: z.enum(['Recreate', 'RollingUpdate']).default('RollingUpdate'),
    rollingUpdate: struct(`${APPS}.RollingUpdateDeployment`, {
      maxUnavailable: intOrString().default('25%'),
      maxSurge: intOrString().default('25%'),
    }).optional(),
  }),
);
export type DeploymentStrategy = z.infer<typeof deploymentStrategySchema>;

export const deploymentSpecSchema = struct(`${APPS}.DeploymentSpec`, {
  replicas: int32().default(1),
  selector: labelSelectorSchema,
  template: podTemplateSpecSchema,
  strategy: retainKeys(deploymentStrategySchema.prefault({})),
  minReadySeconds: int32().optional(),
  revisionHistoryLimit: int32().default(10),
  paused: z.boolean().optional(),
  progressDeadlineSeconds: int32().default(600),
});
export type DeploymentSpec = z.infer<typeof deploymentSpecSchema>;

export const deploymentConditionSchema = struct(`${APPS}.DeploymentCondition`, {
  type: z.string(),
  status: z.string(),
  lastUpdateTime: time().optional(),
  lastTransitionTime: time().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type DeploymentCondition = z.infer<typeof deploymentConditionSchema>;

export const deploymentStatusSchema = struct(`${APPS}.DeploymentStatus`, {
  observedGeneration: int64().optional(),
  replicas: int32().optional(),
  updatedReplicas: int32().optional(),
  readyReplicas: int32().optional(),
  availableReplicas: int32().optional(),
  unavailableReplicas: int32().optional(),
  terminatingReplicas: int32().optional(),
  conditions: listMap(deploymentConditionSchema, ['type']).optional(),
  collisionCount: int32().optional(),
});
export type DeploymentStatus = z.infer<typeof deploymentStatusSchema>;

export const deploymentSchema = struct(`${APPS}.Deployment`, {
  apiVersion: z.literal('apps/v1').default('apps/v1'),
  kind: z.literal('Deployment').default('Deployment'),
  metadata: objectMetaSchema,
  spec: deploymentSpecSchema,
  status: deploymentStatusSchema.default({}),
});
export type Deployment = z.infer<typeof deploymentSchema>;
