/**
 * FirmwareProfile: what Covey knows of one kind of board — how it is recognised, how a card for it is prepared,
 * what its kernel needs, what is kept back for the system and which hardware pods may ask for. Cluster-scoped.
 */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, int32, listMap, quantity, setList, struct } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

const STORAGE_KINDS = ['sd', 'emmc', 'nvme', 'usb', 'sata', 'virtual'] as const;

/** How the first boot of a card is told what to do. */
const BOOT_DIALECTS = ['raspberry-pi', 'cloud-init', 'direct'] as const;
export type BootDialect = (typeof BOOT_DIALECTS)[number];

export const profileKernelSchema = struct(`${FLEET}.FirmwareProfileKernel`, {
  /** Words that must stand on the kernel's command line. */
  commandLine: atomicList(z.string()).default([]),
  /** Modules to load at every start, because nothing else asks for them: i2c-dev. */
  modules: setList(z.string()).optional(),
});

export const profileBootSchema = struct(`${FLEET}.FirmwareProfileBoot`, {
  /**
   * raspberry-pi: cmdline.txt and config.txt of the firmware's FAT partition. cloud-init: a NoCloud seed on a FAT
   * partition. direct: nothing of the image looks for instructions, so the root file system is written to.
   */
  dialect: z.enum(BOOT_DIALECTS),
  /** Number of the FAT partition, counted from 1. Absent where there is none, or none that the dialect uses. */
  bootPartition: int32().optional(),
  /** Number of the partition with the root file system, counted from 1: direct writes to it, first boot grows it. */
  rootPartition: int32().optional(),
  /** Where the running system mounts the boot partition. */
  mountPoint: z.string().optional(),
  /** Lines that must stand in config.txt and hold for this board: 'arm_64bit=1', 'dtparam=watchdog=on'. */
  configText: atomicList(z.string()).optional(),
  /** Label that the FAT partition must get for cloud-init to look at it: CIDATA. */
  seedLabel: z.string().optional(),
  /** As the kernel's console= takes it: 'ttyAMA0,115200'; Raspberry Pi firmware replaces 'serial0' by its own. */
  serialConsole: z.string().optional(),
});

export const profileReservedSchema = struct(`${FLEET}.FirmwareProfileReserved`, {
  cpu: quantity(),
  memory: quantity(),
});

export const profileHardwareSchema = struct(`${FLEET}.FirmwareProfileHardware`, {
  /** Pods ask for `covey.dev/<resource>`. */
  resource: z.string(),
  /** For people: 'Camera (V4L2)'. */
  title: z.string(),
  /** Shell globs of device nodes. */
  devices: setList(z.string()),
  /** One of these globs must match for the resource to be there at all; one of `devices` unless given. */
  presence: setList(z.string()).optional(),
  /** device: each node that matches is one unit. board: all that match together are one unit. */
  per: z.enum(['device', 'board']),
});

export const profileStorageSchema = struct(`${FLEET}.FirmwareProfileStorage`, {
  /** What the board normally starts from. */
  kind: z.enum(STORAGE_KINDS),
  /** What else its firmware can start from. */
  alternatives: setList(z.enum(STORAGE_KINDS)).optional(),
});

export const profileThermalSchema = struct(`${FLEET}.FirmwareProfileThermal`, {
  /** The processor is slowed down from this temperature on. */
  throttleCelsius: int32(),
  /** From here on it is slowed down as far as it goes, or switched off. */
  criticalCelsius: int32().optional(),
});

export const firmwareProfileSpecSchema = struct(`${FLEET}.FirmwareProfileSpec`, {
  /** For people: 'Raspberry Pi 4 Model B'. */
  title: z.string(),
  /**
   * How the board is recognised: any of these in the device tree's `compatible`. Without any, the profile is
   * taken by name only.
   */
  compatible: setList(z.string()).default([]),
  /** OCI architecture of the system that runs on it. */
  architecture: z.enum(['arm64']),
  kernel: profileKernelSchema.default({ commandLine: [] }),
  boot: profileBootSchema,
  /** Kept for the system and the agent; not offered to pods. */
  reserved: profileReservedSchema,
  /** Whether it has a clock that runs on without power. A board without one starts in the past. */
  realTimeClock: z.boolean(),
  /** Whether it has a hardware watchdog that its kernel drives. */
  watchdog: z.boolean(),
  /** What pods may ask for. */
  hardware: listMap(profileHardwareSchema, ['resource']).default([]),
  storage: profileStorageSchema.optional(),
  thermal: profileThermalSchema.optional(),
});
export type FirmwareProfileSpec = z.infer<typeof firmwareProfileSpecSchema>;

export const firmwareProfileSchema = struct(`${FLEET}.FirmwareProfile`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('FirmwareProfile').default('FirmwareProfile'),
  metadata: objectMetaSchema,
  spec: firmwareProfileSpecSchema,
});
export type FirmwareProfile = z.infer<typeof firmwareProfileSchema>;
