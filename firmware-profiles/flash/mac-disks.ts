/**
 * Facts about a disk on macOS, from `diskutil info -plist`, turned into JSON by `plutil`; both come with the system.
 * Writing goes to /dev/rdiskN, which has no cache in between.
 */
import { z } from 'zod';
import { CardError } from '../card-error.js';
import { programText, runProgram } from '../lib/program.js';
import type { DiskFacts } from './disk-facts.js';

const infoSchema = z.object({
  DeviceIdentifier: z.string(),
  WholeDisk: z.boolean(),
  ParentWholeDisk: z.string(),
  TotalSize: z.number(),
  DeviceBlockSize: z.number().optional(),
  Internal: z.boolean().optional(),
  RemovableMedia: z.boolean().optional(),
  Ejectable: z.boolean().optional(),
  WritableMedia: z.boolean().optional(),
  MountPoint: z.string().optional(),
  MediaName: z.string().optional(),
  /** Of the system's volume: the partitions that its APFS container lies on. */
  APFSPhysicalStores: z.array(z.object({ APFSPhysicalStore: z.string() })).optional(),
});

type DiskInfo = z.infer<typeof infoSchema>;

const listSchema = z.object({
  AllDisksAndPartitions: z.array(
    z.object({
      DeviceIdentifier: z.string(),
      MountPoint: z.string().optional(),
      Partitions: z.array(z.object({ MountPoint: z.string().optional() })).optional(),
      APFSVolumes: z.array(z.object({ MountPoint: z.string().optional() })).optional(),
    }),
  ),
});

/** Output of `diskutil ARGS` as JSON text. */
export type Diskutil = (args: readonly string[]) => Promise<string>;

export async function macDisk(path: string, diskutil: Diskutil = callDiskutil): Promise<DiskFacts> {
  const identifier = /^\/dev\/r?(disk\d+(?:s\d+)*)$/.exec(path)?.[1];
  if (identifier === undefined) throw new CardError(`${path} is not a disk; expected one such as /dev/disk4`);
  const info = async (name: string): Promise<DiskInfo> =>
    infoSchema.parse(JSON.parse(await diskutil(['info', '-plist', name])));
  const disk = await info(identifier);
  const root = await info('/');
  const rootStores = (root.APFSPhysicalStores ?? []).map(({ APFSPhysicalStore }) => APFSPhysicalStore);
  const systemDisks = [root.ParentWholeDisk, ...rootStores.map((store) => store.replace(/s\d+$/, ''))];
  const { AllDisksAndPartitions } = listSchema.parse(
    JSON.parse(await diskutil(['list', '-plist', disk.ParentWholeDisk])),
  );
  const mounted = AllDisksAndPartitions.flatMap((entry) => [
    entry.MountPoint,
    ...(entry.Partitions ?? []).map(({ MountPoint }) => MountPoint),
    ...(entry.APFSVolumes ?? []).map(({ MountPoint }) => MountPoint),
  ]).filter((point) => point !== undefined && point !== '');
  return {
    path,
    device: `/dev/r${identifier}`,
    bytes: disk.TotalSize,
    ...(disk.DeviceBlockSize === undefined ? {} : { sectorBytes: disk.DeviceBlockSize }),
    model: disk.MediaName ?? '',
    ...(disk.WholeDisk ? {} : { partOf: `/dev/${disk.ParentWholeDisk}` }),
    readOnly: disk.WritableMedia === false,
    removable: disk.Internal !== true || disk.RemovableMedia === true || disk.Ejectable === true,
    system: systemDisks.includes(disk.ParentWholeDisk) ? ['/'] : [],
    uses: mounted as string[],
  };
}

async function callDiskutil(args: readonly string[]): Promise<string> {
  const plist = await runProgram('diskutil', args);
  return programText('plutil', ['-convert', 'json', '-o', '-', '-'], { input: plist.stdout });
}
