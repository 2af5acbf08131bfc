/**
 * The partitions of a base image that a profile speaks of: found, checked to hold what the profile says, read for
 * the planner, and copied into the work directory to be customised. The base itself is only read.
 */
import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import { CardError } from '../card-error.js';
import type { BaseImage } from '../image/base-image.js';
import { Ext4Volume, isExt, isUnclean } from '../image/ext4-volume.js';
import { FatVolume, isFat } from '../image/fat-volume.js';
import type { Partition } from '../image/partition.js';
import { copyPart } from '../image/sparse-file.js';
import type { VolumeAccess } from '../image/volume.js';
import { type CardFacts, filesToRead } from '../plan.js';
import type { FirmwareProfile } from '../profile.js';
import type { CardStep, Volume } from '../step.js';
import { applySteps } from './apply-steps.js';
import type { Overlay } from './card-source.js';

/** A text file that a dialect edits is small. */
const MAX_TEXT_BYTES = 2 ** 20;

/** Volume → its partition, as far as the profile names it. */
export type ProfilePartitions = Readonly<Partial<Record<Volume, Partition>>>;

/** Rejects with a CardError when the image is not laid out as the profile says. */
export async function partitionsOf(base: BaseImage, profile: FirmwareProfile): Promise<ProfilePartitions> {
  const { bootPartition, rootPartition, dialect } = profile.spec.boot;
  const { name } = profile.metadata;
  const find = (number: number | undefined, what: string): Partition | undefined => {
    if (number === undefined) return undefined;
    const partition = base.table.partitions.find((one) => one.number === number);
    if (partition !== undefined) return partition;
    throw new CardError(
      `profile ${name} has its ${what} on partition ${number}, which this image does not have (${describe(base)}): is it an image for this board?`,
    );
  };
  const boot = find(bootPartition, 'boot files');
  if (boot !== undefined && !(await isFat({ file: base.disk, offset: boot.start }))) {
    throw new CardError(
      `partition ${boot.number} of the image is no FAT, as profile ${name} says: is it an image for this board?`,
    );
  }
  const isDirect = dialect === 'direct';
  const root = isDirect
    ? find(rootPartition, 'root file system')
    : base.table.partitions.find(({ number }) => number === rootPartition);
  const hasExt = root !== undefined && (await isExt({ file: base.disk, offset: root.start }));
  if (isDirect && root !== undefined && !hasExt) {
    throw new CardError(
      `partition ${root.number} of the image is no ext4, as profile ${name} says: is it an image for this board?`,
    );
  }
  if (isDirect && root !== undefined && (await isUnclean({ file: base.disk, offset: root.start }))) {
    throw new CardError(
      `the root file system of the image was in use when the image was made, and its journal would undo what is written to it: unpack the image and clean it with e2fsck -f 'IMAGE?offset=${root.start}', or take another`,
    );
  }
  // Other dialects only look at it, and do without.
  return {
    ...(boot === undefined ? {} : { boot }),
    ...(root !== undefined && hasExt ? { root } : {}),
  };
}

/** What the planner asks to know. */
export async function readFacts(
  base: BaseImage,
  profile: FirmwareProfile,
  partitions: ProfilePartitions,
): Promise<CardFacts> {
  const wanted = filesToRead(profile);
  const open = (volume: Volume) => {
    const partition = partitions[volume];
    return partition && openVolume(volume, base.disk, partition.start, 0);
  };
  const boot = open('boot');
  const root = open('root');
  const rootFacts = root && (await readRoot(root, wanted.root, profile.spec.boot.dialect === 'direct'));
  return {
    ...(boot === undefined
      ? {}
      : {
          boot: {
            label: await boot.label(),
            files: await readTexts(boot, wanted.boot),
            freeBytes: await boot.freeBytes(),
          },
        }),
    ...(rootFacts === undefined ? {} : { root: rootFacts }),
  };
}

/** Where nothing is written to it, it need not be readable: debugfs may not be installed. */
async function readRoot(
  root: VolumeAccess,
  paths: readonly string[],
  needed: boolean,
): Promise<CardFacts['root']> {
  try {
    return { files: await readTexts(root, paths), freeBytes: await root.freeBytes() };
  } catch (error) {
    if (needed || !(error instanceof CardError)) throw error;
    return undefined;
  }
}

export interface CustomiseOptions {
  readonly base: BaseImage;
  readonly partitions: ProfilePartitions;
  readonly steps: readonly CardStep[];
  readonly workDirectory: string;
  /** Seconds since the epoch: the time of everything that is written. */
  readonly time: number;
  readonly signal?: AbortSignal | undefined;
}

/** Applies the steps to copies of the partitions that they touch. The same input gives the same bytes. */
export async function customise(options: CustomiseOptions): Promise<readonly Overlay[]> {
  const { base, partitions, steps, workDirectory, time, signal } = options;
  const overlays: Overlay[] = [];
  const volumes: Partial<Record<Volume, VolumeAccess>> = {};
  for (const volume of new Set(steps.map((step) => step.volume))) {
    const partition = partitions[volume];
    if (partition === undefined) continue;
    const file = join(workDirectory, `${volume}.part`);
    await copyPart(base.disk, partition.start, partition.bytes, file, signal);
    overlays.push({ start: partition.start, bytes: partition.bytes, file });
    volumes[volume] = openVolume(volume, file, 0, time);
  }
  await applySteps(steps, volumes, signal);
  return overlays;
}

function openVolume(volume: Volume, file: string, offset: number, time: number): VolumeAccess {
  return volume === 'boot' ? new FatVolume({ file, offset, time }) : new Ext4Volume({ file, offset, time });
}

async function readTexts(
  volume: VolumeAccess,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const content = await volume.read(path);
    if (content === undefined) continue;
    if (content.length > MAX_TEXT_BYTES)
      throw new CardError(`${path} in the image has ${content.length} bytes, too many for a settings file`);
    files.set(path, textOf(content));
  }
  return files;
}

/** What is no UTF-8 is from an older editor: its letters stay, and become UTF-8 where the file is written anew. */
function textOf(content: Buffer): string {
  return isUtf8(content) ? content.toString('utf8') : content.toString('latin1');
}

function describe({ table }: BaseImage): string {
  return `it has ${table.partitions.map(({ number, type }) => `${number}: type ${type}`).join(', ')}`;
}
