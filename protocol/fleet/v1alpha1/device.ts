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

export const deviceSpecSchema = struct(`${FLEET}.DeviceSpec`, {
  /** Class of pods on this device that name none themselves. */
  failoverClass: z.enum(['fast', 'exclusive', 'relaxed']).optional(),
  /** Slowest beat that the device may be asked for, in seconds. */
  beatIntervalSeconds: int32().optional(),
  /** Where it stands; free text that a person chose. */
  site: z.string().optional(),
  /** Set to true: its certificates are refused and it is cut off at once. */
  revoked: z.boolean().optional(),
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
