/**
 * Device: a board of the fleet — how it is joined, heard of and failed over. Cluster-scoped; shares its name with
 * its Node, which says what runs on it.
 */
import { z } from 'zod';
import { nodeAddressSchema } from '../../core/v1/node.js';
import { UPDATE_STATES } from '../../link/agent-update.js';
import { conditionSchema } from '../../meta/condition.js';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int32, int64, listMap, struct, time } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

const DEVICE_PRESENCES = ['Online', 'Offline', 'Unknown'] as const;
/**
 * Who may join under the name of a device that has joined before, given a good token for it. SameBoard: the same
 * board by itself, another one once it is approved. Approve: nobody unless approved, the first time too. Any: all.
 */
export const BOARD_POLICIES = ['SameBoard', 'Approve', 'Any'] as const;
export type BoardPolicy = (typeof BOARD_POLICIES)[number];

export const deviceSpecSchema = struct(`${FLEET}.DeviceSpec`, {
  /** Class of pods on this device that name none themselves. */
  failoverClass: z.enum(['fast', 'exclusive', 'relaxed']).optional(),
  /** Slowest beat that the device may be asked for, in seconds. */
  beatIntervalSeconds: int32().optional(),
  /** Where it stands; free text that a person chose. */
  site: z.string().optional(),
  /** Set to true: its certificates are refused and it is cut off at once. */
  revoked: z.boolean().optional(),
  /** Serial number of the board that has this name; noted when it joins. */
  boardSerial: z.string().optional(),
  /** The hub's --board-policy unless given. */
  boardPolicy: z.enum(BOARD_POLICIES).optional(),
  /** The waiting board with this key (status.pendingJoin.key) may join. Its join takes the approval away. */
  approvedKey: z.string().optional(),
  /** The next board with a claim for this name takes it over. Its join sets it back. */
  replaceBoard: z.boolean().optional(),
});
export type DeviceSpec = z.infer<typeof deviceSpecSchema>;

/** The release that the hub has offered it; set while it is to update. */
export const updateOfferedSchema = struct(`${FLEET}.DeviceUpdateOffer`, {
  /** Name of the AgentRelease. */
  release: z.string(),
  /** Names this try of it. */
  offer: z.string(),
  time: time().optional(),
});
export type UpdateOffered = z.infer<typeof updateOfferedSchema>;

/** What the device says of the last update that it was offered. */
export const deviceUpdateSchema = struct(`${FLEET}.DeviceUpdate`, {
  offer: z.string(),
  version: z.string(),
  state: z.enum(UPDATE_STATES),
  reason: z.string().optional(),
  /** When the hub learned of this state. */
  time: time().optional(),
});
export type DeviceUpdate = z.infer<typeof deviceUpdateSchema>;

export const deviceBoardSchema = struct(`${FLEET}.DeviceBoard`, {
  /** Absent where the board has none of its own. */
  serial: z.string().optional(),
  model: z.string().optional(),
});
export type DeviceBoard = z.infer<typeof deviceBoardSchema>;

export const pendingJoinSchema = struct(`${FLEET}.PendingJoin`, {
  /** SHA-256 of the public key that the board keeps on its card. */
  key: z.string(),
  board: deviceBoardSchema.optional(),
  address: z.string().optional(),
  since: time().optional(),
  /** Why it waits. */
  message: z.string().optional(),
});
export type PendingJoin = z.infer<typeof pendingJoinSchema>;

export const deviceStatusSchema = struct(`${FLEET}.DeviceStatus`, {
  presence: z.enum(DEVICE_PRESENCES).optional(),
  bootID: z.string().optional(),
  /** Session epoch of the last birth. */
  epoch: int64().optional(),
  agentVersion: z.string().optional(),
  /** Release of the agent that runs; absent where it cannot update itself. */
  agentRelease: z.string().optional(),
  updateOffer: updateOfferedSchema.optional(),
  update: deviceUpdateSchema.optional(),
  /** Firmware profile that the board was flashed with. */
  profile: z.string().optional(),
  lastHeardTime: time().optional(),
  leaseEndTime: time().optional(),
  certificateExpirationTime: time().optional(),
  addresses: atomicList(nodeAddressSchema).optional(),
  /** The board that it runs on, as it said when it joined. */
  board: deviceBoardSchema.optional(),
  /** The last board that asked to join and was told to wait. */
  pendingJoin: pendingJoinSchema.optional(),
  conditions: listMap(conditionSchema, ['type']).optional(),
});
export type DeviceStatus = z.infer<typeof deviceStatusSchema>;

export const deviceSchema = struct(`${FLEET}.Device`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('Device').default('Device'),
  metadata: objectMetaSchema,
  spec: deviceSpecSchema.default({}),
  status: deviceStatusSchema.default({}),
});
export type Device = z.infer<typeof deviceSchema>;
