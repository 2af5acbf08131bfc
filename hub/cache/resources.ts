/** Wire coordinates of the resources that scheduler, controllers and link work with. */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { FLEET_GROUP, FLEET_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import type { ResourceId } from '../client/client.js';

const core = (resource: string): ResourceId => ({ group: '', version: 'v1', resource });
const apps = (resource: string): ResourceId => ({ group: API_GROUP.apps, version: 'v1', resource });

export const PODS = core('pods');
export const NODES = core('nodes');
export const NAMESPACES = core('namespaces');
export const SERVICE_ACCOUNTS = core('serviceaccounts');
export const CONFIG_MAPS = core('configmaps');
export const SECRETS = core('secrets');
export const EVENTS = core('events');
export const DEPLOYMENTS = apps('deployments');
export const REPLICA_SETS = apps('replicasets');

export const LEASES: ResourceId = { group: API_GROUP.coordination, version: 'v1', resource: 'leases' };

export const AGENT_RELEASES: ResourceId = {
  group: FLEET_GROUP,
  version: FLEET_VERSION,
  resource: 'agentreleases',
};
export const DEVICES: ResourceId = { group: FLEET_GROUP, version: FLEET_VERSION, resource: 'devices' };
export const FIRMWARE_PROFILES: ResourceId = {
  group: FLEET_GROUP,
  version: FLEET_VERSION,
  resource: 'firmwareprofiles',
};
