/** Labels, taints, annotations and other fixed strings of Kubernetes. No other file spells them out. */

export const LABEL = {
  hostname: 'kubernetes.io/hostname',
  arch: 'kubernetes.io/arch',
  os: 'kubernetes.io/os',
  instanceType: 'node.kubernetes.io/instance-type',
  zone: 'topology.kubernetes.io/zone',
  region: 'topology.kubernetes.io/region',
  metadataName: 'kubernetes.io/metadata.name',
  nodeRolePrefix: 'node-role.kubernetes.io/',
  nodeRole: 'kubernetes.io/role',
  podTemplateHash: 'pod-template-hash',
} as const;

export const TAINT = {
  notReady: 'node.kubernetes.io/not-ready',
  unreachable: 'node.kubernetes.io/unreachable',
  unschedulable: 'node.kubernetes.io/unschedulable',
  memoryPressure: 'node.kubernetes.io/memory-pressure',
  diskPressure: 'node.kubernetes.io/disk-pressure',
  pidPressure: 'node.kubernetes.io/pid-pressure',
  networkUnavailable: 'node.kubernetes.io/network-unavailable',
  outOfService: 'node.kubernetes.io/out-of-service',
} as const;

export const ANNOTATION = {
  lastAppliedConfiguration: 'kubectl.kubernetes.io/last-applied-configuration',
  restartedAt: 'kubectl.kubernetes.io/restartedAt',
  defaultContainer: 'kubectl.kubernetes.io/default-container',
  changeCause: 'kubernetes.io/change-cause',
  deploymentRevision: 'deployment.kubernetes.io/revision',
  deploymentRevisionHistory: 'deployment.kubernetes.io/revision-history',
  deploymentDesiredReplicas: 'deployment.kubernetes.io/desired-replicas',
  deploymentMaxReplicas: 'deployment.kubernetes.io/max-replicas',
  podDeletionCost: 'controller.kubernetes.io/pod-deletion-cost',
  mirrorPod: 'kubernetes.io/config.mirror',
  serviceAccountName: 'kubernetes.io/service-account.name',
  serviceAccountUid: 'kubernetes.io/service-account.uid',
  rbacAutoUpdate: 'rbac.authorization.kubernetes.io/autoupdate',
  rbacBootstrapping: 'kubernetes.io/bootstrapping',
  initialEventsEnd: 'k8s.io/initial-events-end',
} as const;

export const FINALIZER = {
  kubernetes: 'kubernetes',
  foregroundDeletion: 'foregroundDeletion',
  orphan: 'orphan',
} as const;

/** API groups without a file of their own that names them. */
export const API_GROUP = {
  apps: 'apps',
  authentication: 'authentication.k8s.io',
  authorization: 'authorization.k8s.io',
  coordination: 'coordination.k8s.io',
  discovery: 'apidiscovery.k8s.io',
  events: 'events.k8s.io',
  meta: 'meta.k8s.io',
} as const;

/** Keys of what a service-account token says about its user beyond name and groups. */
export const USER_EXTRA = {
  credentialId: 'authentication.kubernetes.io/credential-id',
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
} as const;

/** Groups and users that Kubernetes reserves. */
export const IDENTITY = {
  mastersGroup: 'system:masters',
  authenticatedGroup: 'system:authenticated',
  unauthenticatedGroup: 'system:unauthenticated',
  serviceAccountsGroup: 'system:serviceaccounts',
  serviceAccountPrefix: 'system:serviceaccount:',
  nodesGroup: 'system:nodes',
  nodePrefix: 'system:node:',
  anonymous: 'system:anonymous',
} as const;

export const NAMESPACE = {
  default: 'default',
  system: 'kube-system',
  public: 'kube-public',
  nodeLease: 'kube-node-lease',
} as const;

export const DEFAULT_SCHEDULER = 'default-scheduler';
export const SERVICE_ACCOUNT_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Condition types of pods and nodes. */
export const POD_CONDITION = {
  scheduled: 'PodScheduled',
  initialized: 'Initialized',
  containersReady: 'ContainersReady',
  ready: 'Ready',
  readyToStartContainers: 'PodReadyToStartContainers',
  disruptionTarget: 'DisruptionTarget',
} as const;

/** Reason of a pod's Ready, and of the event, while the pod's node is silent. */
export const NODE_NOT_READY = 'NodeNotReady';

export const NODE_CONDITION = {
  ready: 'Ready',
  memoryPressure: 'MemoryPressure',
  diskPressure: 'DiskPressure',
  pidPressure: 'PIDPressure',
  networkUnavailable: 'NetworkUnavailable',
} as const;
