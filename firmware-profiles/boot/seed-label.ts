/**
 * The label by which cloud-init finds its seed. A FAT that the image itself mounts by the label that it has now (as
 * Ubuntu's cloud images do: LABEL=UEFI) cannot get another one: the system would wait for it and not come up.
 */
import { CardError } from '../card-error.js';
import type { CardStep } from '../step.js';
import type { TextFiles } from './dialect.js';

export const FSTAB = 'etc/fstab';
/** Where fstab cannot be read, this label is taken as one that it names. */
const UBUNTU = 'UEFI';

/** Throws CardError. `wanted` undefined: the image looks at the partition by itself. */
export function labelSteps(
  wanted: string | undefined,
  label: string,
  root: TextFiles | undefined,
): readonly CardStep[] {
  if (wanted === undefined || wanted === label) return [];
  if (isMountedBy(label, root?.get(FSTAB))) {
    throw new CardError(
      `the image mounts its boot partition by the label ${label}, which cloud-init's seed needs to be ${wanted}: use a profile with the dialect direct for this image`,
    );
  }
  return [{ kind: 'label', volume: 'boot', label: wanted }];
}

function isMountedBy(label: string, fstab: string | undefined): boolean {
  if (fstab === undefined) return label === UBUNTU;
  return fstab.split('\n').some((line) => {
    const [source = ''] = line.trim().split(/\s+/);
    return (
      label !== '' && [`LABEL=${label}`, `LABEL="${label}"`, `/dev/disk/by-label/${label}`].includes(source)
    );
  });
}
