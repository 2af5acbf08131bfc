/**
 * Telemetry, device → hub, QoS 0: one sample of load and health. Nothing depends on it; losing one is fine.
 */
import { z } from 'zod';

export const telemetrySchema = z.object({
  /** RFC 3339 by the device's clock. */
  time: z.string(),
  /** Share of all cores in use since the last sample, 0 to 1. */
  cpuUsage: z.number().nonnegative().optional(),
  load1: z.number().nonnegative().optional(),
  memoryUsedBytes: z.number().nonnegative().optional(),
  memoryTotalBytes: z.number().nonnegative().optional(),
  diskUsedBytes: z.number().nonnegative().optional(),
  diskTotalBytes: z.number().nonnegative().optional(),
  temperatureCelsius: z.number().optional(),
  /** The board has lowered its clock, for heat or voltage. */
  throttled: z.boolean().optional(),
  underVoltage: z.boolean().optional(),
  uptimeSeconds: z.number().nonnegative().optional(),
  networkReceivedBytes: z.number().nonnegative().optional(),
  networkSentBytes: z.number().nonnegative().optional(),
  containers: z.array(
    z.object({
      podUid: z.string(),
      name: z.string(),
      cpuUsageNanoseconds: z.number().nonnegative(),
      memoryWorkingSetBytes: z.number().nonnegative(),
      pids: z.number().int().nonnegative().optional(),
    }),
  ),
});
export type Telemetry = z.infer<typeof telemetrySchema>;
