/**
 * Hello, device → hub, QoS 1: the first message of every session, and the answer to a `hello` command. Says
 * what the device is and what it already has, so that only differences come down; everything that is not
 * acknowledged in the device's spool follows it. The hub acts on no report before it has a hello.
 */
import { z } from 'zod';
import { nodeStatusSchema } from '../core/v1/node.js';
import { agentUpdateSchema } from './agent-update.js';
import { cadenceClassSchema } from './cadence-class.js';

/** The part of a Node's status that a device knows before it has measured anything. */
export const nodeFactsSchema = nodeStatusSchema.pick({
  capacity: true,
  allocatable: true,
  nodeInfo: true,
  addresses: true,
});
export type NodeFacts = z.infer<typeof nodeFactsSchema>;

export const helloSchema = z.object({
  agentVersion: z.string().max(128),
  bootId: z.string().max(128),
  /** Name of the firmware profile; '' when the agent runs on a machine that was not flashed by Covey. */
  profile: z.string().max(253),
  /** Names the report spool; another name means that its sequence starts anew and nothing of it is known. */
  spool: z.string().max(64),
  /** Cadence class of what the device runs now. */
  cadenceClass: cadenceClassSchema,
  /** Labels that the device asks for on its Node, for example from `--labels`; never below kubernetes.io. */
  labels: z.record(z.string(), z.string()),
  node: nodeFactsSchema,
  /** Absent: the agent knows nothing of updates. */
  update: agentUpdateSchema.optional().catch(undefined),
  /** What it has: pod uid → revision of the assignment. */
  has: z.record(z.string(), z.string()),
});
export type Hello = z.infer<typeof helloSchema>;
