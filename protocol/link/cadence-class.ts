/** The cadence class of a device on the wire: a failover class, or `idle` when it runs nothing. */
import { z } from 'zod';
import { FAILOVER_CLASSES } from './assignment.js';
import type { CadenceClass } from './lease-policy.js';

export const cadenceClassSchema: z.ZodType<CadenceClass> = z.enum([...FAILOVER_CLASSES, 'idle']);
