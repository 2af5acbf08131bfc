/** Volumes of a pod and the sources that most pods use. Sources of storage systems: volume-source.ts. */
import { z } from 'zod';
import { atomicList, int32, int64, quantity, struct } from '../../meta/schema.js';
import { expirationSeconds, objectFieldSelectorSchema, resourceFieldSelectorSchema } from './reference.js';
import {
  clusterTrustBundleProjectionSchema,
  podCertificateProjectionSchema,
  storageSources,
} from './volume-source.js';

const CORE = 'io.k8s.api.core.v1';

export const keyToPathSchema = struct(`${CORE}.KeyToPath`, {
  key: z.string(),
  path: z.string(),
  mode: int32().optional(),
  user: int64().optional(),
});
export type KeyToPath = z.infer<typeof keyToPathSchema>;

export const downwardAPIVolumeFileSchema = struct(`${CORE}.DownwardAPIVolumeFile`, {
  path: z.string(),
  fieldRef: objectFieldSelectorSchema.optional(),
  resourceFieldRef: resourceFieldSelectorSchema.optional(),
  mode: int32().optional(),
  user: int64().optional(),
});
export type DownwardAPIVolumeFile = z.infer<typeof downwardAPIVolumeFileSchema>;

const keysShape = {
  items: atomicList(keyToPathSchema).optional(),
  optional: z.boolean().optional(),
};

/** File mode 0644 in decimal, as JSON has it. */
const DEFAULT_MODE = 0o644;

export const volumeProjectionSchema = struct(`${CORE}.VolumeProjection`, {
  secret: struct(`${CORE}.SecretProjection`, { name: z.string().optional(), ...keysShape }).optional(),
  downwardAPI: struct(`${CORE}.DownwardAPIProjection`, {
    items: atomicList(downwardAPIVolumeFileSchema).optional(),
  }).optional(),
  configMap: struct(`${CORE}.ConfigMapProjection`, { name: z.string().optional(), ...keysShape }).optional(),
  serviceAccountToken: struct(`${CORE}.ServiceAccountTokenProjection`, {
    audience: z.string().optional(),
    expirationSeconds: expirationSeconds(),
    path: z.string(),
    user: int64().optional(),
  }).optional(),
  clusterTrustBundle: clusterTrustBundleProjectionSchema.optional(),
  podCertificate: podCertificateProjectionSchema.optional(),
});
export type VolumeProjection = z.infer<typeof volumeProjectionSchema>;

export const emptyDirVolumeSourceSchema = struct(`${CORE}.EmptyDirVolumeSource`, {
  medium: z.string().optional(),
  sizeLimit: quantity().optional(),
  mode: int32().optional(),
});

export const hostPathVolumeSourceSchema = struct(`${CORE}.HostPathVolumeSource`, {
  path: z.string(),
  type: z.string().default(''),
});

export const volumeSchema = struct(`${CORE}.Volume`, {
  name: z.string(),
  hostPath: hostPathVolumeSourceSchema.optional(),
  emptyDir: emptyDirVolumeSourceSchema.optional(),
  secret: struct(`${CORE}.SecretVolumeSource`, {
    secretName: z.string().optional(),
    ...keysShape,
    defaultMode: int32().default(DEFAULT_MODE),
    defaultUser: int64().optional(),
  }).optional(),
  configMap: struct(`${CORE}.ConfigMapVolumeSource`, {
    name: z.string().optional(),
    ...keysShape,
    defaultMode: int32().default(DEFAULT_MODE),
    defaultUser: int64().optional(),
  }).optional(),
  downwardAPI: struct(`${CORE}.DownwardAPIVolumeSource`, {
    items: atomicList(downwardAPIVolumeFileSchema).optional(),
    defaultMode: int32().default(DEFAULT_MODE),
    defaultUser: int64().optional(),
  }).optional(),
  projected: struct(`${CORE}.ProjectedVolumeSource`, {
    sources: atomicList(volumeProjectionSchema).optional(),
    defaultMode: int32().default(DEFAULT_MODE),
    defaultUser: int64().optional(),
  }).optional(),
  persistentVolumeClaim: struct(`${CORE}.PersistentVolumeClaimVolumeSource`, {
    claimName: z.string(),
    readOnly: z.boolean().optional(),
  }).optional(),
  ...storageSources,
});
export type Volume = z.infer<typeof volumeSchema>;
