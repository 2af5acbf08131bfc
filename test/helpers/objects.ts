/**
 * Builders for tests: each makes a valid object with Kubernetes' defaults, as the API would have stored it; a
 * test gives only what matters to it. Given members are merged deeply; lists are replaced.
 */
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { Lease } from '#protocol/coordination/v1/lease.js';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Namespace } from '#protocol/core/v1/namespace.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { kindByGvk } from '#protocol/kinds.js';
import { decodeObject } from '#protocol/meta/decode.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import type { ClusterRoleBinding } from '#protocol/rbac/v1/cluster-role-binding.js';
import type { Role } from '#protocol/rbac/v1/role.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';

export type DeepPartial<T> =
  T extends ReadonlyArray<infer E>
    ? ReadonlyArray<DeepPartial<E>>
    : T extends object
      ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
      : T;

/** Creation time of built objects. */
export const CREATED_AT = '2026-01-02T03:04:05Z';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(base: unknown, given: unknown): unknown {
  if (given === undefined) return base;
  if (!isRecord(base) || !isRecord(given)) return given;
  const merged = { ...base };
  for (const [key, value] of Object.entries(given)) merged[key] = merge(base[key], value);
  return merged;
}

function build<T extends KubernetesObject>(
  group: string,
  version: string,
  kind: string,
  base: object,
  given: DeepPartial<T>,
): T {
  const info = kindByGvk(group, version, kind);
  if (!info) throw new TypeError(`the catalogue has no ${kind} in ${group}/${version}`);
  const merged = merge(base, given) as { metadata: Record<string, unknown> };
  const { metadata } = merged;
  const standard = {
    ...(info.namespaced ? { namespace: 'default' } : {}),
    uid: `uid-${String(metadata['namespace'] ?? (info.namespaced ? 'default' : ''))}-${String(metadata['name'])}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: CREATED_AT,
  };
  return decodeObject<T>(
    info,
    { ...merged, metadata: { ...standard, ...metadata } },
    { fieldValidation: 'Strict' },
  ).object;
}

/** One container `main` of image `hub.covey.internal/tiny:1`. */
export const pod = (given: DeepPartial<Pod> = {}): Pod =>
  build<Pod>(
    '',
    'v1',
    'Pod',
    {
      metadata: { name: 'web-0' },
      spec: { containers: [{ name: 'main', image: 'hub.covey.internal/tiny:1' }] },
      status: { phase: 'Pending' },
    },
    given,
  );

/** Ready, arm64, four cores, 1 GiB, 110 pods. */
export const node = (given: DeepPartial<Node> = {}): Node =>
  build<Node>(
    '',
    'v1',
    'Node',
    {
      metadata: {
        name: 'device-1',
        labels: {
          'kubernetes.io/hostname': 'device-1',
          'kubernetes.io/arch': 'arm64',
          'kubernetes.io/os': 'linux',
        },
      },
      status: {
        capacity: { cpu: '4', memory: '1Gi', pods: '110' },
        allocatable: { cpu: '4', memory: '1Gi', pods: '110' },
        conditions: [
          { type: 'Ready', status: 'True', reason: 'DeviceReady', lastTransitionTime: CREATED_AT },
        ],
        nodeInfo: {
          machineID: 'm',
          systemUUID: 's',
          bootID: 'b',
          kernelVersion: '6.12.0',
          osImage: 'Debian GNU/Linux 12 (bookworm)',
          containerRuntimeVersion: 'crun://1.8.1',
          kubeletVersion: 'v1.33.0-covey',
          kubeProxyVersion: '',
          operatingSystem: 'linux',
          architecture: 'arm64',
        },
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      },
    },
    given,
  );

const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image: 'hub.covey.internal/tiny:1' }] },
};

export const deployment = (given: DeepPartial<Deployment> = {}): Deployment =>
  build<Deployment>(
    'apps',
    'v1',
    'Deployment',
    { metadata: { name: 'web' }, spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template } },
    given,
  );

export const replicaSet = (given: DeepPartial<ReplicaSet> = {}): ReplicaSet =>
  build<ReplicaSet>(
    'apps',
    'v1',
    'ReplicaSet',
    {
      metadata: { name: 'web-1' },
      spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template },
    },
    given,
  );

export const namespace = (given: DeepPartial<Namespace> = {}): Namespace =>
  build<Namespace>(
    '',
    'v1',
    'Namespace',
    { metadata: { name: 'default' }, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } },
    given,
  );

export const configMap = (given: DeepPartial<ConfigMap> = {}): ConfigMap =>
  build<ConfigMap>('', 'v1', 'ConfigMap', { metadata: { name: 'settings' }, data: { key: 'value' } }, given);

export const secret = (given: DeepPartial<Secret> = {}): Secret =>
  build<Secret>('', 'v1', 'Secret', { metadata: { name: 'password' }, data: { key: 'dmFsdWU=' } }, given);

export const serviceAccount = (given: DeepPartial<ServiceAccount> = {}): ServiceAccount =>
  build<ServiceAccount>('', 'v1', 'ServiceAccount', { metadata: { name: 'default' } }, given);

export const event = (given: DeepPartial<Event> = {}): Event =>
  build<Event>(
    '',
    'v1',
    'Event',
    {
      metadata: { name: 'web-0.1' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'web-0', apiVersion: 'v1' },
      reason: 'Started',
      message: 'Started container main',
      type: 'Normal',
      firstTimestamp: CREATED_AT,
      lastTimestamp: CREATED_AT,
      count: 1,
      source: { component: 'agent', host: 'device-1' },
    },
    given,
  );

export const lease = (given: DeepPartial<Lease> = {}): Lease =>
  build<Lease>(
    'coordination.k8s.io',
    'v1',
    'Lease',
    { metadata: { name: 'device-1' }, spec: { holderIdentity: 'device-1', leaseDurationSeconds: 40 } },
    given,
  );

const RBAC = 'rbac.authorization.k8s.io';
const RULES = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];

export const role = (given: DeepPartial<Role> = {}): Role =>
  build<Role>(RBAC, 'v1', 'Role', { metadata: { name: 'reader' }, rules: RULES }, given);

export const clusterRole = (given: DeepPartial<ClusterRole> = {}): ClusterRole =>
  build<ClusterRole>(RBAC, 'v1', 'ClusterRole', { metadata: { name: 'reader' }, rules: RULES }, given);

const SUBJECTS = [{ kind: 'User', name: 'ada' }];

export const roleBinding = (given: DeepPartial<RoleBinding> = {}): RoleBinding =>
  build<RoleBinding>(
    RBAC,
    'v1',
    'RoleBinding',
    { metadata: { name: 'readers' }, subjects: SUBJECTS, roleRef: { kind: 'Role', name: 'reader' } },
    given,
  );

export const clusterRoleBinding = (given: DeepPartial<ClusterRoleBinding> = {}): ClusterRoleBinding =>
  build<ClusterRoleBinding>(
    RBAC,
    'v1',
    'ClusterRoleBinding',
    { metadata: { name: 'readers' }, subjects: SUBJECTS, roleRef: { kind: 'ClusterRole', name: 'reader' } },
    given,
  );

export const device = (given: DeepPartial<Device> = {}): Device =>
  build<Device>(
    'fleet.covey.dev',
    'v1alpha1',
    'Device',
    { metadata: { name: 'device-1' }, status: { presence: 'Online', lastHeardTime: CREATED_AT } },
    given,
  );
