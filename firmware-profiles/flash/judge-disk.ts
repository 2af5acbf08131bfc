/**
 * Whether a disk may be overwritten. Pure. The disk of the running system never is; one that is in use, built in or
 * unusually large only by a person who says so twice: with --force, and by naming the disk again.
 */
import { CardError } from '../card-error.js';
import { SECTOR_BYTES } from '../image/partition.js';
import type { DiskFacts } from './disk-facts.js';

/** Larger than the cards that boards boot from. */
const USUAL_BYTES = 256 * 1024 ** 3;

export interface Consent {
  readonly force: boolean;
  /** The disk named again: --yes-destroy /dev/sdX. */
  readonly destroy: string | undefined;
}

export const NO_CONSENT: Consent = { force: false, destroy: undefined };

/** Throws a CardError that names the disk, what is against it, and what to do. */
export function judgeDisk(disk: DiskFacts, consent: Consent): void {
  const { path, bytes, model } = disk;
  const named = `${path}${model === '' ? '' : ` (${model})`}`;
  if (disk.system.length > 0) {
    throw new CardError(
      `${named} is the disk that this system runs from (${list(disk.system)}): it is never written to; name the card's disk`,
    );
  }
  if (disk.partOf !== undefined) {
    throw new CardError(`${path} is a partition; name the whole disk: --to ${disk.partOf}`);
  }
  if (bytes === 0) throw new CardError(`${named} is empty: put a card into the reader`);
  if (disk.readOnly) throw new CardError(`${named} is write-protected: look at the switch of the card`);
  if (disk.sectorBytes !== undefined && disk.sectorBytes !== SECTOR_BYTES) {
    throw new CardError(
      `${named} has sectors of ${disk.sectorBytes} bytes, and images are laid out for sectors of ${SECTOR_BYTES}: no board would find a partition on it; take another disk`,
    );
  }
  const doubts = [
    ...(disk.uses.length > 0 ? [`is in use (${list(disk.uses)}): unmount it`] : []),
    ...(disk.removable ? [] : ['is neither removable nor plugged in by USB']),
    ...(bytes > USUAL_BYTES ? [`has ${Math.round(bytes / 1e9)} GB, unusually much for a card`] : []),
  ];
  if (doubts.length === 0 || (consent.force && consent.destroy === path)) return;
  throw new CardError(
    `${named} ${doubts.join(', and ')}. If it is to be overwritten all the same, say so twice: --force --yes-destroy ${path}`,
  );
}

function list(items: readonly string[]): string {
  const shown = [...new Set(items)];
  return shown.length > 4 ? `${shown.slice(0, 4).join(', ')} and ${shown.length - 4} more` : shown.join(', ');
}
