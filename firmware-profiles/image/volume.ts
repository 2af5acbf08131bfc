/**
 * Files inside a partition of an image, without mounting it: FAT through mtools, ext4 through debugfs. Paths are
 * those of a card's steps: '/' between parts, none in front. What is written has owner 0:0 and the time that the
 * volume was opened with, so the same steps give the same bytes.
 */
import { CardError } from '../card-error.js';

export type VolumeContent = { readonly text: string } | { readonly file: string };

export interface VolumeAccess {
  /** Names in a directory; empty when there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Undefined when there is no such file. */
  read(path: string): Promise<Buffer | undefined>;
  /** Replaces a file; makes its directories. Where permissions do not exist, `mode` is ignored. */
  write(path: string, content: VolumeContent, mode: number): Promise<void>;
  /** Replaces what is there; makes its directories. Throws where links do not exist. */
  symlink(path: string, target: string): Promise<void>;
  /** A file that is not there is no error. */
  remove(path: string): Promise<void>;
  /** A file, or a directory with all that is in it; none is no error. */
  removeTree(path: string): Promise<void>;
  label(): Promise<string>;
  setLabel(label: string): Promise<void>;
  freeBytes(): Promise<number>;
}

/** Where a volume is. */
export interface VolumePlace {
  /** An image, or a file that holds just this partition. */
  readonly file: string;
  /** Where the partition begins in it. */
  readonly offset: number;
  /** Seconds since the epoch; the time of everything that is written. */
  readonly time: number;
}

/**
 * Whether debugfs or mtools would take a part of the image's own path for something else: mtools give one with $ or `
 * in it to a shell. They are given it by a link then.
 */
export function isMisread(image: string): boolean {
  return /[?"\n$*`\\|]|@@/.test(image);
}

/** The parts of a path. Throws a CardError for one that a volume's programs would misread. */
export function pathParts(path: string): readonly string[] {
  const parts = path.split('/');
  for (const part of parts) {
    if (!/^[\w@%+=.,:() -]+$/.test(part) || part === '.' || part === '..' || part !== part.trim()) {
      throw new CardError(`"${path}" cannot be a file on a card: letters, digits and . _ - @ only`);
    }
  }
  return parts;
}

/** Every directory above a path, from the root down: a/b/c → a, a/b. */
export function parentsOf(path: string): readonly string[] {
  const parts = pathParts(path).slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
