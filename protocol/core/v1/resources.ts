/** Compute resources: what a container, a pod or a volume claim asks for and may use at most. */
import { z } from 'zod';
import { listMap, quantity, struct } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

/** Resource name ('cpu', 'memory', 'ephemeral-storage', 'example.com/thing') to quantity. */
export const resourceListSchema = () => z.record(z.string(), quantity());

export const resourceClaimSchema = struct(`${CORE}.ResourceClaim`, {
  name: z.string(),
  request: z.string().optional(),
});

export const resourceRequirementsSchema = struct(`${CORE}.ResourceRequirements`, {
  limits: resourceListSchema().optional(),
  requests: resourceListSchema().optional(),
  claims: listMap(resourceClaimSchema, ['name'], { patchMergeKey: null }).optional(),
});
export type ResourceRequirements = z.infer<typeof resourceRequirementsSchema>;

export const volumeResourceRequirementsSchema = struct(`${CORE}.VolumeResourceRequirements`, {
  limits: resourceListSchema().optional(),
  requests: resourceListSchema().optional(),
});

export const resourceHealthSchema = struct(`${CORE}.ResourceHealth`, {
  resourceID: z.string(),
  health: z.string().optional(),
  message: z.string().optional(),
});

export const resourceStatusSchema = struct(`${CORE}.ResourceStatus`, {
  name: z.string(),
  resources: listMap(resourceHealthSchema, ['resourceID'], { patchMergeKey: null }).optional(),
});
