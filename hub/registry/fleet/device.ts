/** Devices: spec belongs to people, status to the hub. */
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';

export const deviceStrategy: Strategy<Device> = {
  countsGeneration: true,
  prepareForCreate(device) {
    device.status = {};
  },
  updates: { '': { prepare: keepStatus }, status: { prepare: keepAllButStatus } },
};
