/** Columns of `kubectl get` for every kind, as Kubernetes' own printers have them. Rows: hub/api/tables. */
import type { Column } from './kind-info.js';

interface Options {
  readonly type?: Column['type'];
  readonly format?: string;
  readonly wide?: boolean;
  readonly description?: string;
}

function column(name: string, source: Column['source'], options: Options = {}): Column {
  return {
    name,
    type: options.type ?? 'string',
    ...(options.format === undefined ? {} : { format: options.format }),
    description: options.description ?? name,
    priority: options.wide ? 1 : 0,
    source,
  };
}

const path = (name: string, fieldPath: string, options?: Options) =>
  column(name, { path: fieldPath }, options);
const derive = (name: string, deriver: string, options?: Options) =>
  column(name, { derive: deriver }, options);

const NAME = path('Name', 'metadata.name', {
  format: 'name',
  description: 'Name must be unique within a namespace.',
});
const AGE = derive('Age', 'age', {
  description: 'Time since the object was created, by the clock of the server.',
});
const CREATED_AT = path('Created At', 'metadata.creationTimestamp', {
  type: 'date',
  description: 'Time when the object was created, by the clock of the server.',
});

export const DEFAULT_COLUMNS: readonly Column[] = [NAME, CREATED_AT];

export const POD_COLUMNS: readonly Column[] = [
  NAME,
  derive('Ready', 'podReady', { description: 'Ready containers of all containers.' }),
  derive('Status', 'podStatus', { description: 'What the pod is doing, in one word.' }),
  derive('Restarts', 'podRestarts', { description: 'Restarts of its containers and when the last one was.' }),
  AGE,
  derive('IP', 'podIP', { wide: true, description: 'Address of the pod.' }),
  derive('Node', 'podNode', { wide: true, description: 'Node that the pod runs on.' }),
  derive('Nominated Node', 'podNominatedNode', {
    wide: true,
    description: 'Node that is being made free for it.',
  }),
  derive('Readiness Gates', 'podReadinessGates', {
    wide: true,
    description: 'Readiness gates that are met.',
  }),
];

export const NODE_COLUMNS: readonly Column[] = [
  NAME,
  derive('Status', 'nodeStatus', { description: 'Whether the node is ready and takes pods.' }),
  derive('Roles', 'nodeRoles', { description: 'Roles of the node, from its labels.' }),
  AGE,
  path('Version', 'status.nodeInfo.kubeletVersion', { description: 'Version of the agent on the node.' }),
  derive('Internal-IP', 'nodeInternalIP', { wide: true }),
  derive('External-IP', 'nodeExternalIP', { wide: true }),
  derive('OS-Image', 'nodeOsImage', { wide: true }),
  derive('Kernel-Version', 'nodeKernelVersion', { wide: true }),
  derive('Container-Runtime', 'nodeContainerRuntime', { wide: true }),
];

export const NAMESPACE_COLUMNS: readonly Column[] = [
  NAME,
  path('Status', 'status.phase', { description: 'Active, or Terminating while it is being emptied.' }),
  AGE,
];

export const CONFIG_MAP_COLUMNS: readonly Column[] = [
  NAME,
  derive('Data', 'dataCount', { description: 'Number of keys.' }),
  AGE,
];

export const SECRET_COLUMNS: readonly Column[] = [
  NAME,
  path('Type', 'type', { description: 'What the secret is for.' }),
  derive('Data', 'dataCount', { description: 'Number of keys.' }),
  AGE,
];

export const SERVICE_ACCOUNT_COLUMNS: readonly Column[] = [
  NAME,
  derive('Secrets', 'secretsCount', { description: 'Number of secrets of the account.' }),
  AGE,
];

export const EVENT_COLUMNS: readonly Column[] = [
  derive('Last Seen', 'eventLastSeen', { description: 'Time since it was last seen.' }),
  path('Type', 'type', { description: 'Normal or Warning.' }),
  path('Reason', 'reason', { description: 'Why, in one word.' }),
  derive('Object', 'eventObject', { description: 'What it is about.' }),
  path('Subobject', 'involvedObject.fieldPath', { wide: true, description: 'Part of the object.' }),
  derive('Source', 'eventSource', { wide: true, description: 'Who reported it.' }),
  derive('Message', 'eventMessage', { description: 'What happened.' }),
  derive('First Seen', 'eventFirstSeen', { wide: true, description: 'Time since it was first seen.' }),
  derive('Count', 'eventCount', { wide: true, description: 'How often it was seen.' }),
  { ...NAME, priority: 1 },
];

export const LEASE_COLUMNS: readonly Column[] = [
  NAME,
  path('Holder', 'spec.holderIdentity', { description: 'Who holds it.' }),
  AGE,
];

export const DEPLOYMENT_COLUMNS: readonly Column[] = [
  NAME,
  derive('Ready', 'deploymentReady', { description: 'Ready pods of wanted pods.' }),
  derive('Up-to-date', 'deploymentUpdated', { description: 'Pods of the newest template.' }),
  derive('Available', 'deploymentAvailable', { description: 'Pods ready for minReadySeconds.' }),
  AGE,
  derive('Containers', 'templateContainers', { wide: true }),
  derive('Images', 'templateImages', { wide: true }),
  derive('Selector', 'workloadSelector', { wide: true }),
];

export const REPLICA_SET_COLUMNS: readonly Column[] = [
  NAME,
  path('Desired', 'spec.replicas', { type: 'integer', description: 'Pods wanted.' }),
  derive('Current', 'replicaSetCurrent', { type: 'integer', description: 'Pods that exist.' }),
  derive('Ready', 'replicaSetReady', { type: 'integer', description: 'Pods that are ready.' }),
  AGE,
  derive('Containers', 'templateContainers', { wide: true }),
  derive('Images', 'templateImages', { wide: true }),
  derive('Selector', 'workloadSelector', { wide: true }),
];

export const ROLE_COLUMNS: readonly Column[] = [NAME, CREATED_AT];

export const BINDING_COLUMNS: readonly Column[] = [
  NAME,
  derive('Role', 'roleRef', { description: 'Role that is given.' }),
  AGE,
  derive('Users', 'subjectUsers', { wide: true }),
  derive('Groups', 'subjectGroups', { wide: true }),
  derive('ServiceAccounts', 'subjectServiceAccounts', { wide: true }),
];

export const DEVICE_COLUMNS: readonly Column[] = [
  NAME,
  derive('Presence', 'devicePresence', { description: 'Whether the device has a session with the hub.' }),
  derive('Last Heard', 'deviceLastHeard', { description: 'Time since it was last heard of.' }),
  path('Agent', 'status.agentVersion', { description: 'Version of its agent.' }),
  path('Profile', 'status.profile', { description: 'Firmware profile.' }),
  path('Board', 'status.board.serial', { description: 'Serial number of its board.' }),
  AGE,
  path('Update', 'status.update.state', { wide: true, description: 'What became of its last update.' }),
  path('Model', 'status.board.model', { wide: true }),
  path('Site', 'spec.site', { wide: true }),
  derive('Failover', 'deviceFailoverClass', { wide: true }),
  derive('Lease Ends', 'deviceLeaseEnds', { wide: true }),
  derive('Certificate Ends', 'deviceCertificateEnds', { wide: true }),
];

export const FIRMWARE_PROFILE_COLUMNS: readonly Column[] = [
  NAME,
  path('Title', 'spec.title', { description: 'The board, for people.' }),
  path('Architecture', 'spec.architecture', { description: 'Architecture of images that run on it.' }),
  path('Dialect', 'spec.boot.dialect', { description: 'How first boot is told what to do.' }),
  AGE,
  path('Storage', 'spec.storage.kind', { wide: true, description: 'What it normally starts from.' }),
  path('Reserved CPU', 'spec.reserved.cpu', { wide: true, description: 'Kept for the system.' }),
  path('Reserved Memory', 'spec.reserved.memory', { wide: true, description: 'Kept for the system.' }),
  path('Watchdog', 'spec.watchdog', { wide: true, type: 'boolean' }),
  path('Clock', 'spec.realTimeClock', { wide: true, type: 'boolean' }),
];

export const AGENT_RELEASE_COLUMNS: readonly Column[] = [
  NAME,
  path('Version', 'spec.version', { description: 'Version of the agent.' }),
  path('Phase', 'status.phase', { description: 'How the rollout stands, in one word.' }),
  path('Desired', 'status.desired', { type: 'integer', description: 'Devices that are to run it.' }),
  path('Updated', 'status.updated', { type: 'integer', description: 'Devices that run it.' }),
  path('Updating', 'status.updating', { type: 'integer', description: 'Devices that are at it.' }),
  path('Failed', 'status.failed', { type: 'integer', description: 'Devices that went back or refused it.' }),
  AGE,
  path('Percentage', 'spec.rollout.percentage', { wide: true, type: 'integer' }),
  path('Pending', 'status.pending', { wide: true, type: 'integer', description: 'Devices not asked yet.' }),
  path('Not Updatable', 'status.notUpdatable', { wide: true, type: 'integer' }),
  path('Message', 'status.message', { wide: true, description: 'What holds it up, or how it went.' }),
];
