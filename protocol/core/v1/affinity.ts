/** Where a pod wants to run: node selectors, affinity, tolerations, topology spread. */
import { z } from 'zod';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { atomicList, atomicStruct, int32, int64, struct } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

export const nodeSelectorRequirementSchema = struct(`${CORE}.NodeSelectorRequirement`, {
  key: z.string(),
  operator: z.enum(['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn']),
  values: atomicList(z.string()).optional(),
});
export type NodeSelectorRequirement = z.infer<typeof nodeSelectorRequirementSchema>;

export const nodeSelectorTermSchema = atomicStruct(
  struct(`${CORE}.NodeSelectorTerm`, {
    matchExpressions: atomicList(nodeSelectorRequirementSchema).optional(),
    matchFields: atomicList(nodeSelectorRequirementSchema).optional(),
  }),
);
export type NodeSelectorTerm = z.infer<typeof nodeSelectorTermSchema>;

export const nodeSelectorSchema = atomicStruct(
  struct(`${CORE}.NodeSelector`, { nodeSelectorTerms: atomicList(nodeSelectorTermSchema) }),
);
export type NodeSelector = z.infer<typeof nodeSelectorSchema>;

export const nodeAffinitySchema = struct(`${CORE}.NodeAffinity`, {
  requiredDuringSchedulingIgnoredDuringExecution: nodeSelectorSchema.optional(),
  preferredDuringSchedulingIgnoredDuringExecution: atomicList(
    struct(`${CORE}.PreferredSchedulingTerm`, { weight: int32(), preference: nodeSelectorTermSchema }),
  ).optional(),
});
export type NodeAffinity = z.infer<typeof nodeAffinitySchema>;

export const podAffinityTermSchema = struct(`${CORE}.PodAffinityTerm`, {
  labelSelector: labelSelectorSchema.optional(),
  namespaces: atomicList(z.string()).optional(),
  topologyKey: z.string(),
  namespaceSelector: labelSelectorSchema.optional(),
  matchLabelKeys: atomicList(z.string()).optional(),
  mismatchLabelKeys: atomicList(z.string()).optional(),
});
export type PodAffinityTerm = z.infer<typeof podAffinityTermSchema>;

export const weightedPodAffinityTermSchema = struct(`${CORE}.WeightedPodAffinityTerm`, {
  weight: int32(),
  podAffinityTerm: podAffinityTermSchema,
});

const podAffinityShape = {
  requiredDuringSchedulingIgnoredDuringExecution: atomicList(podAffinityTermSchema).optional(),
  preferredDuringSchedulingIgnoredDuringExecution: atomicList(weightedPodAffinityTermSchema).optional(),
};

export const affinitySchema = struct(`${CORE}.Affinity`, {
  nodeAffinity: nodeAffinitySchema.optional(),
  podAffinity: struct(`${CORE}.PodAffinity`, podAffinityShape).optional(),
  podAntiAffinity: struct(`${CORE}.PodAntiAffinity`, podAffinityShape).optional(),
});
export type Affinity = z.infer<typeof affinitySchema>;

export const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

export const tolerationSchema = struct(`${CORE}.Toleration`, {
  key: z.string().optional(),
  operator: z.string().optional(),
  value: z.string().optional(),
  effect: z.string().optional(),
  tolerationSeconds: int64().optional(),
});
export type Toleration = z.infer<typeof tolerationSchema>;

export const topologySpreadConstraintSchema = struct(`${CORE}.TopologySpreadConstraint`, {
  maxSkew: int32(),
  topologyKey: z.string(),
  whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']),
  labelSelector: labelSelectorSchema.optional(),
  minDomains: int32().optional(),
  nodeAffinityPolicy: z.enum(['Honor', 'Ignore']).optional(),
  nodeTaintsPolicy: z.enum(['Honor', 'Ignore']).optional(),
  matchLabelKeys: atomicList(z.string()).optional(),
});
export type TopologySpreadConstraint = z.infer<typeof topologySpreadConstraintSchema>;
