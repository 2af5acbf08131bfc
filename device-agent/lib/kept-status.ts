/**
 * The status of a pod as the agent itself has written it to disk. Checks what is read without asking and keeps
 * the rest: the complete schema is the hub's, and would cost a small board more memory than it is worth.
 */
import { z } from 'zod';
import type { PodStatus } from '#protocol/core/v1/pod.js';

const containers = z
  .array(z.looseObject({ name: z.string(), state: z.looseObject({}).optional() }))
  .optional();

export const keptStatusSchema = z.looseObject({
  phase: z.string().optional(),
  conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).optional(),
  initContainerStatuses: containers,
  containerStatuses: containers,
}) as unknown as z.ZodType<PodStatus>;
