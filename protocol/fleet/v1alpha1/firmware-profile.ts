/**
 * FirmwareProfile: what Covey knows of one kind of board — how it is recognised, how a card for it is prepared,
 * what its kernel needs, what is kept back for the system and which hardware pods may ask for. Cluster-scoped.
 */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { atomicList, described, int32, listMap, quantity, setList, struct } from '../../meta/schema.js';
import { FLEET_API_VERSION } from './well-known.js';

const FLEET = 'dev.covey.fleet.v1alpha1';

const STORAGE_KINDS = ['sd', 'emmc', 'nvme', 'usb', 'sata', 'virtual'] as const;

/** How the first boot of a card is told what to do. */
const BOOT_DIALECTS = ['raspberry-pi', 'cloud-init', 'direct'] as const;
export type BootDialect = (typeof BOOT_DIALECTS)[number];

export const profileKernelSchema = struct(`${FLEET}.FirmwareProfileKernel`, {
  commandLine: described(
    "Words that must stand on the kernel's command line, such as cgroup_enable=memory.",
    atomicList(z.string()).default([]),
  ),
  modules: described(
    'Modules to load at every start, because nothing else asks for them, such as i2c-dev.',
    setList(z.string()).optional(),
  ),
});

export const profileBootSchema = struct(`${FLEET}.FirmwareProfileBoot`, {
  dialect: described(
    "How the first boot of a card is told what to do. raspberry-pi: cmdline.txt and config.txt of the firmware's FAT partition. cloud-init: a NoCloud seed on a FAT partition. direct: nothing of the image looks for instructions, so the root file system is written to.",
    z.enum(BOOT_DIALECTS),
  ),
  bootPartition: described(
    'Number of the FAT partition, counted from 1. Absent where there is none, or none that the dialect uses.',
    int32().optional(),
  ),
  rootPartition: described(
    'Number of the partition with the root file system, counted from 1: direct writes to it, first boot grows it.',
    int32().optional(),
  ),
  mountPoint: described(
    'Where the running system mounts the boot partition, such as /boot/firmware.',
    z.string().optional(),
  ),
  configText: described(
    'Lines that must stand in config.txt and hold for this board, such as dtparam=watchdog=on. Only with the dialect raspberry-pi.',
    atomicList(z.string()).optional(),
  ),
  seedLabel: described(
    'Label that the FAT partition must get for cloud-init to look at it, such as CIDATA. Only with the dialect cloud-init.',
    z.string().optional(),
  ),
  serialConsole: described(
    "Where a serial cable shows the start, as the kernel's console= takes it, such as ttyAMA0,115200. Raspberry Pi firmware replaces serial0 by its own.",
    z.string().optional(),
  ),
});

export const profileReservedSchema = struct(`${FLEET}.FirmwareProfileReserved`, {
  cpu: described('Processor time that pods do not get.', quantity()),
  memory: described('Memory that pods do not get.', quantity()),
});

export const profileHardwareSchema = struct(`${FLEET}.FirmwareProfileHardware`, {
  resource: described('Name of the resource: pods ask for covey.dev/<resource>.', z.string()),
  title: described('What it is, for people, such as Camera (V4L2).', z.string()),
  devices: described('Device nodes of it, as shell globs, such as /dev/gpiochip0.', setList(z.string())),
  presence: described(
    'One of these globs must match for the resource to be there at all; without them, one of devices. Nodes that these do not name are helpers, which other units may have too.',
    setList(z.string()).optional(),
  ),
  per: described(
    'What one unit is. device: each node that matches. board: all that match together.',
    z.enum(['device', 'board']),
  ),
});

export const profileStorageSchema = struct(`${FLEET}.FirmwareProfileStorage`, {
  kind: described('What the board normally starts from.', z.enum(STORAGE_KINDS)),
  alternatives: described(
    'What else its firmware can start from.',
    setList(z.enum(STORAGE_KINDS)).optional(),
  ),
});

export const profileThermalSchema = struct(`${FLEET}.FirmwareProfileThermal`, {
  throttleCelsius: described('The processor is slowed down from this temperature on.', int32()),
  criticalCelsius: described(
    'From this temperature on it is slowed down as far as it goes, or switched off.',
    int32().optional(),
  ),
});

export const firmwareProfileSpecSchema = struct(`${FLEET}.FirmwareProfileSpec`, {
  title: described('The board, for people, such as Raspberry Pi 4 Model B.', z.string()),
  compatible: described(
    "How the board is recognised: any of these in the device tree's compatible, such as raspberrypi,4-model-b. Without any, the profile is taken by name only.",
    setList(z.string()).default([]),
  ),
  architecture: described('OCI architecture of the system that runs on it.', z.enum(['arm64'])),
  kernel: described('What the kernel must be told.', profileKernelSchema.default({ commandLine: [] })),
  boot: described(
    'How a card for the board is laid out, and how its first boot is started.',
    profileBootSchema,
  ),
  reserved: described('Kept for the system and the agent; not offered to pods.', profileReservedSchema),
  realTimeClock: described(
    'Whether it has a clock that runs on without power. A board without one starts in the past.',
    z.boolean(),
  ),
  watchdog: described('Whether it has a hardware watchdog that its kernel drives.', z.boolean()),
  hardware: described('What pods may ask for.', listMap(profileHardwareSchema, ['resource']).default([])),
  storage: described('What it starts from.', profileStorageSchema.optional()),
  thermal: described('How it takes heat.', profileThermalSchema.optional()),
});
export type FirmwareProfileSpec = z.infer<typeof firmwareProfileSpecSchema>;

export const firmwareProfileSchema = struct(`${FLEET}.FirmwareProfile`, {
  apiVersion: z.literal(FLEET_API_VERSION).default(FLEET_API_VERSION),
  kind: z.literal('FirmwareProfile').default('FirmwareProfile'),
  metadata: objectMetaSchema,
  spec: described('What is known of the board.', firmwareProfileSpecSchema),
});
export type FirmwareProfile = z.infer<typeof firmwareProfileSchema>;
