/**
 * Node report, device → hub, QoS 1, on change: the conditions, images, addresses and attached hardware of the
 * device. Each report is complete; the latest one counts.
 */
import { z } from 'zod';
import { nodeStatusSchema } from '../core/v1/node.js';
import { agentUpdateSchema } from './agent-update.js';

/** What the board is and what is plugged into it; for the Device object. */
export const inventorySchema = z.object({
  /** From the device tree, for example 'Raspberry Pi 4 Model B Rev 1.5'. */
  model: z.string().optional(),
  serial: z.string().optional(),
  revision: z.string().optional(),
  /** Things on a bus: USB devices, cameras, serial ports, GPIO chips. */
  attached: z
    .array(z.object({ kind: z.string(), name: z.string(), path: z.string().optional() }))
    .max(256)
    .optional(),
});
export type Inventory = z.infer<typeof inventorySchema>;

export const nodeReportSchema = z.object({
  status: nodeStatusSchema.pick({
    conditions: true,
    addresses: true,
    images: true,
    capacity: true,
    allocatable: true,
    nodeInfo: true,
  }),
  inventory: inventorySchema.optional(),
  update: agentUpdateSchema.optional().catch(undefined),
});
export type NodeReport = z.infer<typeof nodeReportSchema>;
