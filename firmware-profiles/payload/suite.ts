/**
 * Which release of Debian an image is of, from what can be read of it: the root file system's os-release, else the
 * date that Raspberry Pi OS leaves on the boot partition.
 */
import type { TextFiles } from '../boot/dialect.js';
import { CardError } from '../card-error.js';

export interface ImageFiles {
  readonly boot?: { readonly files: TextFiles };
  readonly root?: { readonly files: TextFiles };
}

/** First images of Raspberry Pi OS of each release, newest first. */
const SINCE: readonly (readonly [date: string, suite: string])[] = [
  ['2025-10-01', 'trixie'],
  ['2023-10-10', 'bookworm'],
  ['2021-10-30', 'bullseye'],
];

export const DEFAULT_SUITE = 'bookworm';

/** Whose packages are Debian's, as `ID` in os-release names them. */
const OF_DEBIAN = ['debian', 'raspbian'];

/**
 * `from` is for people: what the answer was taken from, or that it is assumed. Throws a CardError for an image of
 * another distribution, whose packages have other names and needs.
 */
export function suiteOf({ boot, root }: ImageFiles): { readonly suite: string; readonly from: string } {
  const release = root?.files.get('usr/lib/os-release') ?? '';
  const field = (key: string) => new RegExp(`^${key}="?([^"\\p{Cc}]+)"?$`, 'mu').exec(release)?.[1];
  const id = field('ID');
  if (id !== undefined && !OF_DEBIAN.includes(id)) {
    throw new CardError(
      `the image is ${field('PRETTY_NAME') ?? id}, and the packages that a card brings are Debian's: take an image of Debian or Raspberry Pi OS, or say with --suite which release's packages this one takes`,
    );
  }
  const named = field('VERSION_CODENAME');
  if (named !== undefined && /^[a-z]+$/.test(named)) return { suite: named, from: 'os-release of the image' };
  const [, date] = /reference (\d{4}-\d{2}-\d{2})/.exec(boot?.files.get('issue.txt') ?? '') ?? [];
  const found = SINCE.find(([since]) => date !== undefined && date >= since);
  if (found !== undefined) return { suite: found[1], from: `the date of the image, ${date}` };
  return { suite: DEFAULT_SUITE, from: 'assumed; name another with --suite' };
}
