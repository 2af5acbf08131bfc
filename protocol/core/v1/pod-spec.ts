/** What a pod is to be. Decoding gives it Kubernetes' defaults. */
import { z } from 'zod';
import { atomicList, int32, int64, listMap, stringMap, struct } from '../../meta/schema.js';
import { affinitySchema, tolerationSchema, topologySpreadConstraintSchema } from './affinity.js';
import { containerSchema, ephemeralContainerSchema } from './container.js';
import { localObjectReferenceSchema } from './reference.js';
import { resourceListSchema, resourceRequirementsSchema } from './resources.js';
import { podSecurityContextSchema } from './security-context.js';
import { volumeSchema } from './volume.js';

const CORE = 'io.k8s.api.core.v1';

export const hostAliasSchema = struct(`${CORE}.HostAlias`, {
  ip: z.string(),
  hostnames: atomicList(z.string()).optional(),
});
export type HostAlias = z.infer<typeof hostAliasSchema>;

export const podDNSConfigSchema = struct(`${CORE}.PodDNSConfig`, {
  nameservers: atomicList(z.string()).optional(),
  searches: atomicList(z.string()).optional(),
  options: atomicList(
    struct(`${CORE}.PodDNSConfigOption`, { name: z.string().optional(), value: z.string().optional() }),
  ).optional(),
});

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const;

export const podSpecSchema = struct(`${CORE}.PodSpec`, {
  volumes: listMap(volumeSchema, ['name'], { retainKeys: true }).optional(),
  initContainers: listMap(containerSchema, ['name']).optional(),
  containers: listMap(containerSchema, ['name']),
  ephemeralContainers: listMap(ephemeralContainerSchema, ['name']).optional(),
  restartPolicy: z.enum(RESTART_POLICIES).default('Always'),
  terminationGracePeriodSeconds: int64().default(30),
  activeDeadlineSeconds: int64().optional(),
  dnsPolicy: z.enum(['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']).default('ClusterFirst'),
  nodeSelector: stringMap().optional(),
  serviceAccountName: z.string().optional(),
  serviceAccount: z.string().optional(),
  automountServiceAccountToken: z.boolean().optional(),
  nodeName: z.string().optional(),
  hostNetwork: z.boolean().optional(),
  hostPID: z.boolean().optional(),
  hostIPC: z.boolean().optional(),
  shareProcessNamespace: z.boolean().optional(),
  securityContext: podSecurityContextSchema.default({}),
  imagePullSecrets: listMap(localObjectReferenceSchema, ['name']).optional(),
  hostname: z.string().optional(),
  subdomain: z.string().optional(),
  affinity: affinitySchema.optional(),
  schedulerName: z.string().default('default-scheduler'),
  tolerations: atomicList(tolerationSchema).optional(),
  hostAliases: listMap(hostAliasSchema, ['ip']).optional(),
  priorityClassName: z.string().optional(),
  priority: int32().optional(),
  dnsConfig: podDNSConfigSchema.optional(),
  readinessGates: atomicList(struct(`${CORE}.PodReadinessGate`, { conditionType: z.string() })).optional(),
  runtimeClassName: z.string().optional(),
  enableServiceLinks: z.boolean().default(true),
  preemptionPolicy: z.enum(['Never', 'PreemptLowerPriority']).optional(),
  overhead: resourceListSchema().optional(),
  topologySpreadConstraints: listMap(topologySpreadConstraintSchema, [
    'topologyKey',
    'whenUnsatisfiable',
  ]).optional(),
  setHostnameAsFQDN: z.boolean().optional(),
  os: struct(`${CORE}.PodOS`, { name: z.string() }).optional(),
  hostUsers: z.boolean().optional(),
  schedulingGates: listMap(struct(`${CORE}.PodSchedulingGate`, { name: z.string() }), ['name']).optional(),
  resourceClaims: listMap(
    struct(`${CORE}.PodResourceClaim`, {
      name: z.string(),
      resourceClaimName: z.string().optional(),
      resourceClaimTemplateName: z.string().optional(),
    }),
    ['name'],
    { retainKeys: true },
  ).optional(),
  resources: resourceRequirementsSchema.optional(),
  hostnameOverride: z.string().optional(),
  schedulingGroup: struct(`${CORE}.PodSchedulingGroup`, { podGroupName: z.string().optional() }).optional(),
  evictionResponders: listMap(
    struct(`${CORE}.EvictionResponder`, { name: z.string(), priority: int32().optional() }),
    ['name'],
  ).optional(),
});
export type PodSpec = z.infer<typeof podSpecSchema>;

/** Whether conditions that the device does not know decide about the pod's readiness too. */
export function hasReadinessGates(spec: Pick<PodSpec, 'readinessGates'>): boolean {
  return (spec.readinessGates?.length ?? 0) > 0;
}
