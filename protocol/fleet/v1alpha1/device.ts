/**
 * Device: a board of the fleet — how it is joined, heard of and failed over. Cluster-scoped; shares its name with
 * its Node, which says what runs on it.
 */
import { z } from 'zod';
import { nodeAddressSchema } from '../../core/v1/node.js';
import { UPDATE_STATES } from '../../link/agent-update.js';
import { conditionSchema } from '../../meta/condition.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, described, int32, int64, listMap, struct, time } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

const DEVICE_PRESENCES = ['Online', 'Offline', 'Unknown'] as const;
export const BOARD_POLICIES = ['SameBoard', 'Approve', 'Any'] as const;
export type BoardPolicy = (typeof BOARD_POLICIES)[number];

export const deviceSpecSchema = struct(`${FLEET}.DeviceSpec`, {
  failoverClass: described(
    'Class of pods on this device that name none themselves. fast: replaced as soon as the device is judged dead. exclusive: replaced when its lease has run out for certain. relaxed: slow beats, replaced after minutes.',
    z.enum(['fast', 'exclusive', 'relaxed']).optional(),
  ),
  beatIntervalSeconds: described(
    'Slowest beat that the device may be asked for, in seconds.',
    int32().optional(),
  ),
  site: described(
    'Where it stands, as a person chose; the label fleet.covey.dev/site of its node.',
    z.string().optional(),
  ),
  revoked: described(
    'Set to true: its certificates are refused and it is cut off at once.',
    z.boolean().optional(),
  ),
  boardSerial: described(
    'Serial number of the board that has this name; noted when it joins.',
    z.string().optional(),
  ),
  boardPolicy: described(
    "Who may join under this name once a device has, given a good token for it. SameBoard: the same board by itself, another one once it is approved. Approve: nobody unless approved, the first time too. Any: all. The hub's --board-policy unless given.",
    z.enum(BOARD_POLICIES).optional(),
  ),
  approvedKey: described(
    'The waiting board with this key (status.pendingJoin.key) may join. Its join takes the approval away.',
    z.string().optional(),
  ),
  replaceBoard: described(
    'The next board with a claim for this name takes it over. Its join sets it back.',
    z.boolean().optional(),
  ),
});
export type DeviceSpec = z.infer<typeof deviceSpecSchema>;

export const updateOfferedSchema = struct(`${FLEET}.DeviceUpdateOffer`, {
  release: described('Name of the AgentRelease.', z.string()),
  offer: described('Names this try of it.', z.string()),
  time: described('When it was offered.', time().optional()),
});
export type UpdateOffered = z.infer<typeof updateOfferedSchema>;

export const deviceUpdateSchema = struct(`${FLEET}.DeviceUpdate`, {
  offer: described('The try that it is about.', z.string()),
  version: described('Version that was offered.', z.string()),
  state: described('How far the device is with it.', z.enum(UPDATE_STATES)),
  reason: described('Why it failed.', z.string().optional()),
  time: described('When the hub learned of this state.', time().optional()),
});
export type DeviceUpdate = z.infer<typeof deviceUpdateSchema>;

export const deviceBoardSchema = struct(`${FLEET}.DeviceBoard`, {
  serial: described('Its serial number; absent where it has none of its own.', z.string().optional()),
  model: described('What it calls itself.', z.string().optional()),
});
export type DeviceBoard = z.infer<typeof deviceBoardSchema>;

export const pendingJoinSchema = struct(`${FLEET}.PendingJoin`, {
  key: described('SHA-256 of the public key that the board keeps on its card.', z.string()),
  board: described('The board, as it said.', deviceBoardSchema.optional()),
  address: described('Where it asked from.', z.string().optional()),
  since: described('When it asked first.', time().optional()),
  message: described('Why it waits.', z.string().optional()),
});
export type PendingJoin = z.infer<typeof pendingJoinSchema>;

export const deviceStatusSchema = struct(`${FLEET}.DeviceStatus`, {
  presence: described('Whether the hub hears it.', z.enum(DEVICE_PRESENCES).optional()),
  bootID: described("The kernel's name for this run of the board.", z.string().optional()),
  epoch: described('Session epoch of the last birth.', int64().optional()),
  agentVersion: described('Version of the agent, as Kubernetes shows versions.', z.string().optional()),
  agentRelease: described(
    'Release of the agent that runs; absent where it cannot update itself.',
    z.string().optional(),
  ),
  updateOffer: described(
    'The release that the hub has offered it; there while it is to update.',
    updateOfferedSchema.optional(),
  ),
  update: described('What it says of the last update that it was offered.', deviceUpdateSchema.optional()),
  profile: described('Firmware profile that the board was flashed with.', z.string().optional()),
  lastHeardTime: described(
    'When the hub heard of it last; brought up to date every minute.',
    time().optional(),
  ),
  leaseEndTime: described(
    'When the longest lease ends that it may hold, as of lastHeardTime.',
    time().optional(),
  ),
  certificateExpirationTime: described(
    'When its certificate ends; it renews it by itself.',
    time().optional(),
  ),
  addresses: described('Where it is in its own network.', atomicList(nodeAddressSchema).optional()),
  board: described('The board that it runs on, as it said when it joined.', deviceBoardSchema.optional()),
  pendingJoin: described(
    'The last board that asked to join under this name and was told to wait.',
    pendingJoinSchema.optional(),
  ),
  conditions: described(
    'What is wrong with it, such as PreflightFailed.',
    listMap(conditionSchema, ['type']).optional(),
  ),
});
export type DeviceStatus = z.infer<typeof deviceStatusSchema>;

export const deviceSchema = struct(`${FLEET}.Device`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('Device').default('Device'),
  metadata: objectMetaSchema,
  spec: described('What a person or the hub wants of it.', deviceSpecSchema.default({})),
  status: described('What is known of it; written by the hub.', deviceStatusSchema.default({})),
});
export type Device = z.infer<typeof deviceSchema>;
