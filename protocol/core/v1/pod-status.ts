/** Status of a pod: written by the device that runs it (through the hub's link) and by the scheduler. */
import { z } from 'zod';
import { atomicList, int64, listMap, mergeList, quantity, setList, struct, time } from '../../meta/schema.js';
import { containerStatusSchema } from './container-status.js';
import { resourceListSchema, resourceRequirementsSchema } from './resources.js';

const CORE = 'io.k8s.api.core.v1';

export const podConditionSchema = struct(`${CORE}.PodCondition`, {
  type: z.string(),
  observedGeneration: int64().optional(),
  status: z.string(),
  lastProbeTime: time().optional(),
  lastTransitionTime: time().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type PodCondition = z.infer<typeof podConditionSchema>;

const nodeAllocatableResourceClaimStatusSchema = struct(`${CORE}.NodeAllocatableResourceClaimStatus`, {
  resourceClaimName: z.string(),
  containers: setList(z.string()).optional(),
  mapping: listMap(
    struct(`${CORE}.NodeAllocatableMappedResources`, { name: z.string(), quantity: quantity().optional() }),
    ['name'],
  ).optional(),
  overhead: listMap(
    struct(`${CORE}.NodeAllocatableOverheadResources`, {
      name: z.string(),
      perPod: quantity().optional(),
      perContainer: quantity().optional(),
    }),
    ['name'],
  ).optional(),
});

const podVolumeHealthSchema = struct(`${CORE}.PodVolumeHealth`, {
  name: z.string(),
  healthConditions: listMap(
    struct(`${CORE}.VolumeHealthCondition`, {
      status: z.string(),
      reason: z.string(),
      message: z.string().optional(),
    }),
    ['status', 'reason'],
  ).optional(),
  lastTransitionTime: time().optional(),
});

const POD_PHASES = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const;

export const podStatusSchema = struct(`${CORE}.PodStatus`, {
  observedGeneration: int64().optional(),
  phase: z.enum(POD_PHASES).optional(),
  conditions: listMap(podConditionSchema, ['type']).optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
  nominatedNodeName: z.string().optional(),
  hostIP: z.string().optional(),
  hostIPs: mergeList(struct(`${CORE}.HostIP`, { ip: z.string() }), 'ip').optional(),
  podIP: z.string().optional(),
  podIPs: listMap(struct(`${CORE}.PodIP`, { ip: z.string() }), ['ip']).optional(),
  startTime: time().optional(),
  initContainerStatuses: atomicList(containerStatusSchema).optional(),
  containerStatuses: atomicList(containerStatusSchema).optional(),
  qosClass: z.enum(['BestEffort', 'Burstable', 'Guaranteed']).optional(),
  ephemeralContainerStatuses: atomicList(containerStatusSchema).optional(),
  resize: z.string().optional(),
  resourceClaimStatuses: listMap(
    struct(`${CORE}.PodResourceClaimStatus`, {
      name: z.string(),
      resourceClaimName: z.string().optional(),
    }),
    ['name'],
    { retainKeys: true },
  ).optional(),
  extendedResourceClaimStatus: struct(`${CORE}.PodExtendedResourceClaimStatus`, {
    requestMappings: atomicList(
      struct(`${CORE}.ContainerExtendedResourceRequest`, {
        containerName: z.string(),
        resourceName: z.string(),
        requestName: z.string(),
      }),
    ).optional(),
    resourceClaimName: z.string(),
  }).optional(),
  nodeAllocatableResourceClaimStatuses: listMap(nodeAllocatableResourceClaimStatusSchema, [
    'resourceClaimName',
  ]).optional(),
  volumeHealth: listMap(podVolumeHealthSchema, ['name'], { patchMergeKey: null }).optional(),
  allocatedResources: resourceListSchema().optional(),
  resources: resourceRequirementsSchema.optional(),
});
export type PodStatus = z.infer<typeof podStatusSchema>;

/** Whether a pod with this status has ended: no container of it runs or ever will again. */
export function hasEnded(status: { readonly phase?: string | undefined } | undefined): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
