/**
 * A firmware profile: what Covey knows of one kind of board. The schema is strict, so a profile with a typing
 * error does not load; each file in `profiles/` names its sources in comments.
 */
import { z } from 'zod';

/** A memory or CPU amount as Kubernetes writes it. */
const quantity = z.string().regex(/^\d+(m|Ki|Mi|Gi)?$/, 'expected a quantity such as 100m or 64Mi');

export const firmwareProfileSchema = z.strictObject({
  /** Equal to the file's name. */
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  /** For people: 'Raspberry Pi 4 Model B'. */
  title: z.string().min(1),
  /** How the board is recognised: any of these in the device tree's `compatible`. */
  compatible: z.array(z.string().min(1)).min(1),
  /** OCI architecture of the system that runs on it. */
  architecture: z.enum(['arm64', 'arm']),
  kernel: z.strictObject({
    /** Words that must stand on the kernel's command line. */
    commandLine: z.array(z.string().min(1)),
  }),
  boot: z.strictObject({
    /** How first boot is told what to do. */
    dialect: z.enum(['raspberry-pi', 'cloud-init', 'direct']),
    /** Where the boot partition is mounted in the running system. */
    mountPoint: z.string().startsWith('/'),
  }),
  /** Kept for the system and the agent; not offered to pods. */
  reserved: z.strictObject({ cpu: quantity, memory: quantity }),
  /** A board without a clock of its own starts in the past. */
  realTimeClock: z.boolean(),
  watchdog: z.boolean(),
});

export type FirmwareProfile = z.infer<typeof firmwareProfileSchema>;
