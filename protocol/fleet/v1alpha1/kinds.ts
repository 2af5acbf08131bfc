/** The kinds of `fleet.covey.dev` in the catalogue. */
import { AGENT_RELEASE_COLUMNS, DEVICE_COLUMNS, FIRMWARE_PROFILE_COLUMNS } from '../../columns.js';
import { type Group, kind, sub, typed, VIEW } from '../../kind-entry.js';
import type { KindInfo } from '../../kind-info.js';
import { agentReleaseSchema } from './agent-release.js';
import { validateAgentRelease } from './agent-release-validation.js';
import { deviceSchema } from './device.js';
import { validateDevice } from './device-validation.js';
import { firmwareProfileSchema } from './firmware-profile.js';
import { validateFirmwareProfile } from './firmware-profile-validation.js';
import { FLEET_GROUP, FLEET_VERSION } from './well-known.js';

const FLEET: Group = { group: FLEET_GROUP, version: FLEET_VERSION };

/** In the order of discovery. */
export const FLEET_KINDS: readonly KindInfo[] = [
  kind(FLEET, {
    kind: 'AgentRelease',
    resource: 'agentreleases',
    shortNames: ['agr'],
    categories: ['fleet'],
    namespaced: false,
    schema: agentReleaseSchema,
    columns: AGENT_RELEASE_COLUMNS,
    subresources: [sub('status', FLEET, 'AgentRelease', VIEW)],
    validate: typed(validateAgentRelease),
    description: 'AgentRelease is a version of the device agent and how it is rolled out to the fleet.',
  }),
  kind(FLEET, {
    kind: 'Device',
    resource: 'devices',
    shortNames: ['dev'],
    categories: ['fleet'],
    namespaced: false,
    // No device joins under another name: it becomes the host name of its node.
    nameRule: 'label',
    schema: deviceSchema,
    columns: DEVICE_COLUMNS,
    subresources: [sub('status', FLEET, 'Device', VIEW)],
    selectableFields: ['status.presence'],
    validate: typed(validateDevice),
    description: 'Device is a board of the fleet: how it joins, is heard of and is failed over.',
  }),
  kind(FLEET, {
    kind: 'FirmwareProfile',
    resource: 'firmwareprofiles',
    shortNames: ['fwp'],
    categories: ['fleet'],
    namespaced: false,
    // Names become values of a label of nodes.
    nameRule: 'label',
    schema: firmwareProfileSchema,
    columns: FIRMWARE_PROFILE_COLUMNS,
    validate: typed(validateFirmwareProfile),
    description:
      'FirmwareProfile is what is known of one kind of board: how it is recognised, flashed, booted and used.',
  }),
];
