/** Volume sources of storage systems: accepted and kept in full, so that every manifest applies. */
import { z } from 'zod';
import { labelSelectorSchema } from '../../meta/label-selector-schema.js';
import { templateMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int32, int64, stringMap, struct } from '../../meta/schema.js';
import {
  localObjectReferenceSchema,
  typedLocalObjectReferenceSchema,
  typedObjectReferenceSchema,
} from './reference.js';
import { volumeResourceRequirementsSchema } from './resources.js';

const CORE = 'io.k8s.api.core.v1';

export const clusterTrustBundleProjectionSchema = struct(`${CORE}.ClusterTrustBundleProjection`, {
  name: z.string().optional(),
  signerName: z.string().optional(),
  labelSelector: labelSelectorSchema.optional(),
  optional: z.boolean().optional(),
  path: z.string(),
  user: int64().optional(),
});

export const podCertificateProjectionSchema = struct(`${CORE}.PodCertificateProjection`, {
  signerName: z.string(),
  keyType: z.string(),
  maxExpirationSeconds: int32().optional(),
  credentialBundlePath: z.string().optional(),
  keyPath: z.string().optional(),
  certificateChainPath: z.string().optional(),
  userAnnotations: stringMap().optional(),
  user: int64().optional(),
});

export const persistentVolumeClaimSpecSchema = struct(`${CORE}.PersistentVolumeClaimSpec`, {
  accessModes: atomicList(z.string()).optional(),
  selector: labelSelectorSchema.optional(),
  resources: volumeResourceRequirementsSchema.default({}),
  volumeName: z.string().optional(),
  storageClassName: z.string().optional(),
  volumeMode: z.string().default('Filesystem'),
  dataSource: typedLocalObjectReferenceSchema.optional(),
  dataSourceRef: typedObjectReferenceSchema.optional(),
  volumeAttributesClassName: z.string().optional(),
});

const readOnly = z.boolean().optional();
const fsType = z.string().optional();
const secretRef = localObjectReferenceSchema.optional();

/** Fields of Volume; each is one storage system. */
export const storageSources = {
  gcePersistentDisk: struct(`${CORE}.GCEPersistentDiskVolumeSource`, {
    pdName: z.string(),
    fsType,
    partition: int32().optional(),
    readOnly,
  }).optional(),
  awsElasticBlockStore: struct(`${CORE}.AWSElasticBlockStoreVolumeSource`, {
    volumeID: z.string(),
    fsType,
    partition: int32().optional(),
    readOnly,
  }).optional(),
  gitRepo: struct(`${CORE}.GitRepoVolumeSource`, {
    repository: z.string(),
    revision: z.string().optional(),
    directory: z.string().optional(),
  }).optional(),
  nfs: struct(`${CORE}.NFSVolumeSource`, { server: z.string(), path: z.string(), readOnly }).optional(),
  iscsi: struct(`${CORE}.ISCSIVolumeSource`, {
    targetPortal: z.string(),
    iqn: z.string(),
    lun: int32(),
    iscsiInterface: z.string().default('default'),
    fsType,
    readOnly,
    portals: atomicList(z.string()).optional(),
    chapAuthDiscovery: z.boolean().optional(),
    chapAuthSession: z.boolean().optional(),
    secretRef,
    initiatorName: z.string().optional(),
  }).optional(),
  glusterfs: struct(`${CORE}.GlusterfsVolumeSource`, {
    endpoints: z.string(),
    path: z.string(),
    readOnly,
  }).optional(),
  rbd: struct(`${CORE}.RBDVolumeSource`, {
    monitors: atomicList(z.string()),
    image: z.string(),
    fsType,
    pool: z.string().default('rbd'),
    user: z.string().default('admin'),
    keyring: z.string().default('/etc/ceph/keyring'),
    secretRef,
    readOnly,
  }).optional(),
  flexVolume: struct(`${CORE}.FlexVolumeSource`, {
    driver: z.string(),
    fsType,
    secretRef,
    readOnly,
    options: stringMap().optional(),
  }).optional(),
  cinder: struct(`${CORE}.CinderVolumeSource`, {
    volumeID: z.string(),
    fsType,
    readOnly,
    secretRef,
  }).optional(),
  cephfs: struct(`${CORE}.CephFSVolumeSource`, {
    monitors: atomicList(z.string()),
    path: z.string().optional(),
    user: z.string().optional(),
    secretFile: z.string().optional(),
    secretRef,
    readOnly,
  }).optional(),
  flocker: struct(`${CORE}.FlockerVolumeSource`, {
    datasetName: z.string().optional(),
    datasetUUID: z.string().optional(),
  }).optional(),
  fc: struct(`${CORE}.FCVolumeSource`, {
    targetWWNs: atomicList(z.string()).optional(),
    lun: int32().optional(),
    fsType,
    readOnly,
    wwids: atomicList(z.string()).optional(),
  }).optional(),
  azureFile: struct(`${CORE}.AzureFileVolumeSource`, {
    secretName: z.string(),
    shareName: z.string(),
    readOnly,
  }).optional(),
  vsphereVolume: struct(`${CORE}.VsphereVirtualDiskVolumeSource`, {
    volumePath: z.string(),
    fsType,
    storagePolicyName: z.string().optional(),
    storagePolicyID: z.string().optional(),
  }).optional(),
  quobyte: struct(`${CORE}.QuobyteVolumeSource`, {
    registry: z.string(),
    volume: z.string(),
    readOnly,
    user: z.string().optional(),
    group: z.string().optional(),
    tenant: z.string().optional(),
  }).optional(),
  azureDisk: struct(`${CORE}.AzureDiskVolumeSource`, {
    diskName: z.string(),
    diskURI: z.string(),
    cachingMode: z.string().default('ReadWrite'),
    fsType: z.string().default('ext4'),
    readOnly: z.boolean().default(false),
    kind: z.string().default('Shared'),
  }).optional(),
  photonPersistentDisk: struct(`${CORE}.PhotonPersistentDiskVolumeSource`, {
    pdID: z.string(),
    fsType,
  }).optional(),
  portworxVolume: struct(`${CORE}.PortworxVolumeSource`, {
    volumeID: z.string(),
    fsType,
    readOnly,
  }).optional(),
  scaleIO: struct(`${CORE}.ScaleIOVolumeSource`, {
    gateway: z.string(),
    system: z.string(),
    secretRef,
    sslEnabled: z.boolean().optional(),
    protectionDomain: z.string().optional(),
    storagePool: z.string().optional(),
    storageMode: z.string().default('ThinProvisioned'),
    volumeName: z.string().optional(),
    fsType: z.string().default('xfs'),
    readOnly,
  }).optional(),
  storageos: struct(`${CORE}.StorageOSVolumeSource`, {
    volumeName: z.string().optional(),
    volumeNamespace: z.string().optional(),
    fsType,
    readOnly,
    secretRef,
  }).optional(),
  csi: struct(`${CORE}.CSIVolumeSource`, {
    driver: z.string(),
    readOnly,
    fsType,
    volumeAttributes: stringMap().optional(),
    nodePublishSecretRef: secretRef,
  }).optional(),
  ephemeral: struct(`${CORE}.EphemeralVolumeSource`, {
    volumeClaimTemplate: struct(`${CORE}.PersistentVolumeClaimTemplate`, {
      metadata: templateMetaSchema.optional(),
      spec: persistentVolumeClaimSpecSchema,
    }).optional(),
  }).optional(),
  image: struct(`${CORE}.ImageVolumeSource`, {
    reference: z.string().optional(),
    pullPolicy: z.string().optional(),
  }).optional(),
};
