/** Wire coordinates of the resources that scheduler, controllers and link work with. */
import type { ResourceId } from '../client/client.js';

const core = (resource: string): ResourceId => ({ group: '', version: 'v1', resource });
const apps = (resource: string): ResourceId => ({ group: 'apps', version: 'v1', resource });

export const PODS = core('pods');
export const NODES = core('nodes');
export const NAMESPACES = core('namespaces');
export const SERVICE_ACCOUNTS = core('serviceaccounts');
export const CONFIG_MAPS = core('configmaps');
export const SECRETS = core('secrets');
export const EVENTS = core('events');
export const DEPLOYMENTS = apps('deployments');
export const REPLICA_SETS = apps('replicasets');
export const LEASES: ResourceId = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
export const DEVICES: ResourceId = { group: 'fleet.covey.dev', version: 'v1alpha1', resource: 'devices' };
