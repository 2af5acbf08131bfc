/** Nodes: spec belongs to people and controllers, status to the device's reports. */
import type { Node } from '#protocol/core/v1/node.js';
import { keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';

export const nodeStrategy: Strategy<Node> = {
  countsGeneration: false,
  updates: { '': { prepare: keepStatus }, status: { prepare: keepAllButStatus } },
};
