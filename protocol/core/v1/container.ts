/** Containers of a pod — main, init and ephemeral — with their environment, ports and mounts. */
import { z } from 'zod';
import { atomicList, int32, listMap, setList, struct } from '../../meta/schema.js';
import { lifecycleSchema, probeSchema } from './probe.js';
import {
  configMapKeySelectorSchema,
  fileKeySelectorSchema,
  objectFieldSelectorSchema,
  resourceFieldSelectorSchema,
  secretKeySelectorSchema,
} from './reference.js';
import { resourceRequirementsSchema } from './resources.js';
import { securityContextSchema } from './security-context.js';

const CORE = 'io.k8s.api.core.v1';

export const envVarSourceSchema = struct(`${CORE}.EnvVarSource`, {
  fieldRef: objectFieldSelectorSchema.optional(),
  resourceFieldRef: resourceFieldSelectorSchema.optional(),
  configMapKeyRef: configMapKeySelectorSchema.optional(),
  secretKeyRef: secretKeySelectorSchema.optional(),
  fileKeyRef: fileKeySelectorSchema.optional(),
});
export type EnvVarSource = z.infer<typeof envVarSourceSchema>;

export const envVarSchema = struct(`${CORE}.EnvVar`, {
  name: z.string(),
  value: z.string().optional(),
  valueFrom: envVarSourceSchema.optional(),
});
export type EnvVar = z.infer<typeof envVarSchema>;

const envSourceShape = { name: z.string().optional(), optional: z.boolean().optional() };

export const envFromSourceSchema = struct(`${CORE}.EnvFromSource`, {
  prefix: z.string().optional(),
  configMapRef: struct(`${CORE}.ConfigMapEnvSource`, envSourceShape).optional(),
  secretRef: struct(`${CORE}.SecretEnvSource`, envSourceShape).optional(),
});
export type EnvFromSource = z.infer<typeof envFromSourceSchema>;

export const containerPortSchema = struct(`${CORE}.ContainerPort`, {
  name: z.string().optional(),
  hostPort: int32().optional(),
  containerPort: int32(),
  protocol: z.enum(['SCTP', 'TCP', 'UDP']).default('TCP'),
  hostIP: z.string().optional(),
});
export type ContainerPort = z.infer<typeof containerPortSchema>;

export const volumeMountSchema = struct(`${CORE}.VolumeMount`, {
  name: z.string(),
  readOnly: z.boolean().optional(),
  recursiveReadOnly: z.enum(['Disabled', 'Enabled', 'IfPossible']).optional(),
  mountPath: z.string(),
  subPath: z.string().optional(),
  mountPropagation: z.enum(['Bidirectional', 'HostToContainer', 'None']).optional(),
  subPathExpr: z.string().optional(),
  bindMountOptions: setList(z.string()).optional(),
});
export type VolumeMount = z.infer<typeof volumeMountSchema>;

export const volumeDeviceSchema = struct(`${CORE}.VolumeDevice`, {
  name: z.string(),
  devicePath: z.string(),
});

export const containerResizePolicySchema = struct(`${CORE}.ContainerResizePolicy`, {
  resourceName: z.string(),
  restartPolicy: z.string(),
});

export const containerRestartRuleSchema = struct(`${CORE}.ContainerRestartRule`, {
  action: z.string(),
  exitCodes: struct(`${CORE}.ContainerRestartRuleOnExitCodes`, {
    operator: z.string(),
    values: setList(int32()).optional(),
  }).optional(),
});

const IMAGE_PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;

const containerShape = {
  name: z.string(),
  image: z.string().optional(),
  command: atomicList(z.string()).optional(),
  args: atomicList(z.string()).optional(),
  workingDir: z.string().optional(),
  ports: listMap(containerPortSchema, ['containerPort', 'protocol']).optional(),
  envFrom: atomicList(envFromSourceSchema).optional(),
  env: listMap(envVarSchema, ['name']).optional(),
  resources: resourceRequirementsSchema.default({}),
  resizePolicy: atomicList(containerResizePolicySchema).optional(),
  restartPolicy: z.string().optional(),
  restartPolicyRules: atomicList(containerRestartRuleSchema).optional(),
  volumeMounts: listMap(volumeMountSchema, ['mountPath']).optional(),
  volumeDevices: listMap(volumeDeviceSchema, ['devicePath']).optional(),
  livenessProbe: probeSchema.optional(),
  readinessProbe: probeSchema.optional(),
  startupProbe: probeSchema.optional(),
  lifecycle: lifecycleSchema.optional(),
  terminationMessagePath: z.string().default('/dev/termination-log'),
  terminationMessagePolicy: z.enum(['FallbackToLogsOnError', 'File']).default('File'),
  /** Defaulted from the image's tag: Always for `latest` or none, IfNotPresent otherwise. */
  imagePullPolicy: z.enum(IMAGE_PULL_POLICIES).optional(),
  securityContext: securityContextSchema.optional(),
  stdin: z.boolean().optional(),
  stdinOnce: z.boolean().optional(),
  tty: z.boolean().optional(),
};

export const containerSchema = struct(`${CORE}.Container`, containerShape);
export type Container = z.infer<typeof containerSchema>;

export const ephemeralContainerSchema = struct(`${CORE}.EphemeralContainer`, {
  ...containerShape,
  targetContainerName: z.string().optional(),
});
export type EphemeralContainer = z.infer<typeof ephemeralContainerSchema>;
