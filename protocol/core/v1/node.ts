/** Node: one device as Kubernetes sees it. Cluster-scoped; its status is written by the hub from the device's reports. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int32, int64, listMap, setList, struct, time } from '../../meta/schema.js';
import { resourceListSchema } from './resources.js';

const CORE = 'io.k8s.api.core.v1';

export const taintSchema = struct(`${CORE}.Taint`, {
  key: z.string(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
  timeAdded: time().optional(),
});
export type Taint = z.infer<typeof taintSchema>;

export const nodeSpecSchema = struct(`${CORE}.NodeSpec`, {
  podCIDR: z.string().optional(),
  podCIDRs: setList(z.string(), { merge: true }).optional(),
  providerID: z.string().optional(),
  unschedulable: z.boolean().optional(),
  taints: atomicList(taintSchema).optional(),
  configSource: struct(`${CORE}.NodeConfigSource`, {
    configMap: struct(`${CORE}.ConfigMapNodeConfigSource`, {
      namespace: z.string(),
      name: z.string(),
      uid: z.string().optional(),
      resourceVersion: z.string().optional(),
      kubeletConfigKey: z.string(),
    }).optional(),
  }).optional(),
  externalID: z.string().optional(),
  podPreemptionPolicy: struct(`${CORE}.NodePodPreemptionPolicy`, {
    disableResizePreemption: setList(z.string()).optional(),
  }).optional(),
});
export type NodeSpec = z.infer<typeof nodeSpecSchema>;

export const nodeConditionSchema = struct(`${CORE}.NodeCondition`, {
  type: z.string(),
  status: z.string(),
  lastHeartbeatTime: time().optional(),
  lastTransitionTime: time().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type NodeCondition = z.infer<typeof nodeConditionSchema>;

export const nodeAddressSchema = struct(`${CORE}.NodeAddress`, { type: z.string(), address: z.string() });
export type NodeAddress = z.infer<typeof nodeAddressSchema>;

export const nodeSystemInfoSchema = struct(`${CORE}.NodeSystemInfo`, {
  machineID: z.string(),
  systemUUID: z.string(),
  bootID: z.string(),
  kernelVersion: z.string(),
  osImage: z.string(),
  containerRuntimeVersion: z.string(),
  kubeletVersion: z.string(),
  kubeProxyVersion: z.string(),
  operatingSystem: z.string(),
  architecture: z.string(),
  swap: struct(`${CORE}.NodeSwapStatus`, { capacity: int64().optional() }).optional(),
});
export type NodeSystemInfo = z.infer<typeof nodeSystemInfoSchema>;

export const containerImageSchema = struct(`${CORE}.ContainerImage`, {
  names: atomicList(z.string()).optional(),
  sizeBytes: int64().optional(),
});
export type ContainerImage = z.infer<typeof containerImageSchema>;

export const attachedVolumeSchema = struct(`${CORE}.AttachedVolume`, {
  name: z.string(),
  devicePath: z.string(),
});

const nodeConfigSource = z.unknown();

export const nodeStatusSchema = struct(`${CORE}.NodeStatus`, {
  capacity: resourceListSchema().optional(),
  allocatable: resourceListSchema().optional(),
  phase: z.string().optional(),
  conditions: listMap(nodeConditionSchema, ['type']).optional(),
  addresses: listMap(nodeAddressSchema, ['type']).optional(),
  daemonEndpoints: struct(`${CORE}.NodeDaemonEndpoints`, {
    kubeletEndpoint: struct(`${CORE}.DaemonEndpoint`, { Port: int32() }).optional(),
  }).optional(),
  nodeInfo: nodeSystemInfoSchema.optional(),
  images: atomicList(containerImageSchema).optional(),
  volumesInUse: atomicList(z.string()).optional(),
  volumesAttached: atomicList(attachedVolumeSchema).optional(),
  config: struct(`${CORE}.NodeConfigStatus`, {
    assigned: nodeConfigSource.optional(),
    active: nodeConfigSource.optional(),
    lastKnownGood: nodeConfigSource.optional(),
    error: z.string().optional(),
  }).optional(),
  runtimeHandlers: atomicList(
    struct(`${CORE}.NodeRuntimeHandler`, {
      name: z.string().optional(),
      features: struct(`${CORE}.NodeRuntimeHandlerFeatures`, {
        recursiveReadOnlyMounts: z.boolean().optional(),
        userNamespaces: z.boolean().optional(),
      }).optional(),
    }),
  ).optional(),
  features: struct(`${CORE}.NodeFeatures`, { supplementalGroupsPolicy: z.boolean().optional() }).optional(),
  declaredFeatures: atomicList(z.string()).optional(),
});
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

export const nodeSchema = struct(`${CORE}.Node`, {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Node').default('Node'),
  metadata: objectMetaSchema,
  spec: nodeSpecSchema.default({}),
  status: nodeStatusSchema.default({}),
});
export type Node = z.infer<typeof nodeSchema>;
