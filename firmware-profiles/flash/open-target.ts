/**
 * From the path that a person named to a target that may be written: checks everything that can be checked before
 * the first byte, tells file and disk apart, and refuses what is too small.
 */
import { constants } from 'node:fs';
import { access, lstat, open, realpath, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { platform } from 'node:process';
import { CardError } from '../card-error.js';
import { fileTrouble } from '../lib/file-trouble.js';
import { alignedSize, DirectFile, kindOf } from './direct-file.js';
import type { DiskFacts, DiskProbe } from './disk-facts.js';
import { type Consent, judgeDisk } from './judge-disk.js';
import { linuxDisk } from './linux-disks.js';
import { macDisk } from './mac-disks.js';
import { noUnfinishedCard, type Target } from './target.js';
import { HEAD_BYTES, isMarked } from './unfinished-mark.js';

export interface TargetOptions {
  readonly path: string;
  /** Size of a file, to give it room; that of the image unless given. */
  readonly size?: number | undefined;
  readonly consent: Consent;
  /** Files that the card is made of: never overwritten, under whatever name. */
  readonly sources?: readonly string[];
  /** A file may hold the whole card, of a run that was cut off after its last write. */
  readonly mayBeFinished?: boolean | undefined;
  readonly probe?: DiskProbe;
}

/** A target that was checked and not touched yet. */
export interface CheckedTarget {
  readonly path: string;
  /** It is a whole card or somebody's file: to be compared, and not to be written to. */
  readonly mustBeFinished: boolean;
  /** Opens it for a card of `bytes`; this is where a file is made. */
  open(bytes: number): Promise<Target>;
  /** Throws a CardError when a card of `bytes` does not fit. */
  requireSpace(bytes: number): Promise<void>;
}

export async function checkTarget(options: TargetOptions): Promise<CheckedTarget> {
  const kind = await kindOf(options.path);
  if (kind === 'other')
    throw new CardError(`${options.path} is neither a file nor a disk; name a new file or a disk`);
  if (kind === 'device') return checkedDisk(options);
  if (options.path.startsWith('/dev/') && !options.path.startsWith('/dev/shm/')) throw noDisk(options.path);
  return checkedFile(options, kind === 'file');
}

function noDisk(path: string): CardError {
  return new CardError(`there is no disk ${path}: is the card in the reader?`);
}

async function checkedDisk({
  path,
  size,
  consent,
  probe = probeOf(),
}: TargetOptions): Promise<CheckedTarget> {
  if (size !== undefined) throw new CardError(`--size is for files; ${path} is a disk`);
  const look = async () => {
    // By its real name: /dev/disk/by-id/… is a link.
    const real = await realpath(path).catch(() => {
      throw noDisk(path);
    });
    const found = await probe(real);
    judgeDisk({ ...found, path }, consent);
    return found;
  };
  const disk = await look();
  return {
    path,
    mustBeFinished: false,
    requireSpace: async (bytes) => requireDiskSpace(disk, path, bytes),
    async open(bytes) {
      // Another card may be in the reader by now, or something of this one mounted.
      const { device, bytes: size, uses } = await look();
      requireDiskSpace({ bytes: size }, path, bytes);
      return DirectFile.openDevice({ path: device, bytes: size, shared: uses.length > 0 });
    },
  };
}

function requireDiskSpace(disk: Pick<DiskFacts, 'bytes'>, path: string, bytes: number): void {
  // The last block is padded to the sectors of any disk.
  if (disk.bytes >= alignedSize(bytes)) return;
  throw new CardError(
    `${path} is too small: it has ${gigabytes(disk.bytes)}, the image needs ${gigabytes(bytes)} (${bytes - disk.bytes} bytes more); take a larger card`,
  );
}

async function checkedFile(
  { path, size, consent, sources = [], mayBeFinished = false }: TargetOptions,
  exists: boolean,
): Promise<CheckedTarget> {
  const directory = dirname(path);
  if ((await stat(directory).catch(() => undefined)) === undefined)
    throw new CardError(`cannot write ${path}: there is no directory ${directory}`);
  for (const source of exists ? sources : []) {
    if (await isSameFile(path, source))
      throw new CardError(`${path} is what the card is made of (${source}): write to another file`);
  }
  // Found out before minutes go into an image.
  await access(exists ? path : directory, constants.R_OK | constants.W_OK).catch((error: unknown) => {
    throw new CardError(`cannot write ${path}: ${fileTrouble(error)}`);
  });
  if (!exists && (await lstat(path).catch(() => undefined)) !== undefined)
    throw new CardError(`${path} is a link that leads nowhere: name the file itself`);
  const state = await stateOf(path);
  const mustBeFinished = state === 'content' && !consent.force;
  const use = state === 'none' ? 'make' : state === 'unfinished' || mustBeFinished ? 'keep' : 'empty';
  if (mustBeFinished && !mayBeFinished) throw noUnfinishedCard(path);
  const sizeFor = (bytes: number) => alignedSize(Math.max(bytes, size ?? 0));
  return {
    path,
    mustBeFinished,
    async requireSpace(bytes) {
      if (size !== undefined && size < bytes) {
        throw new CardError(
          `--size ${size}: too small, the image needs ${bytes} bytes (${bytes - size} more)`,
        );
      }
      const { bavail, bsize } = await statfs(directory).catch(() => {
        throw new CardError(`cannot write ${path}: there is no directory ${directory}`);
      });
      // The file is sparse: how much it will take is only known to be more than nothing.
      if (bavail * bsize === 0)
        throw new CardError(`no space left in ${directory}: free some, or write elsewhere`);
    },
    async open(bytes) {
      // Opening gives it its size.
      if (mustBeFinished && (await stat(path)).size !== sizeFor(bytes)) throw noUnfinishedCard(path);
      if ((await stateOf(path)) !== state)
        throw new CardError(
          `${path} is not what it was when it was looked at: something else uses it; run the same command again`,
        );
      return DirectFile.openFile(path, sizeFor(bytes), use);
    },
  };
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/**
 * Unfinished: it bears the mark; or nothing was ever written to it, as when a run is cut off between making the file
 * and the mark.
 */
async function stateOf(path: string): Promise<'none' | 'unfinished' | 'content'> {
  if ((await kindOf(path)) === 'none') return 'none';
  await using handle = await open(path, 'r');
  const head = Buffer.alloc(HEAD_BYTES);
  await handle.read(head, 0, head.length, 0);
  const { blocks } = await handle.stat();
  // Some file systems keep a small file's content without a block.
  const isEmpty = blocks === 0 && head.every((byte) => byte === 0);
  return isMarked(head) || isEmpty ? 'unfinished' : 'content';
}

function probeOf(): DiskProbe {
  if (platform === 'linux') return (path) => linuxDisk(path);
  if (platform === 'darwin') return (path) => macDisk(path);
  throw new CardError(`writing to a disk is not supported on ${platform}; flash to a file, and write that`);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
