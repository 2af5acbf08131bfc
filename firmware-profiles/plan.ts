/**
 * Which files a card gets: the planner of flashing. Pure: from the profile, the settings and what is on the card it
 * returns steps, in an order that arms the first boot last, so a run that is cut off leaves a card that boots as
 * its base image does, never one that runs half of Covey's first boot.
 */
import type { TextFiles } from './boot/dialect.js';
import { dialectOf } from './boot/dialects.js';
import { CardError } from './card-error.js';
import { cardFiles } from './card-files.js';
import { CARD_DIRECTORY } from './card-layout.js';
import { mebibytesNeeded, mebibytesThere } from './lib/mebibytes.js';
import type { FirmwareProfile } from './profile.js';
import type { CardSettings } from './settings.js';
import type { CardStep } from './step.js';

export interface CardFacts {
  readonly boot?: { readonly label: string; readonly files: TextFiles; readonly freeBytes: number };
  readonly root?: { readonly files: TextFiles; readonly freeBytes: number };
}

export interface PlanInput {
  readonly profile: FirmwareProfile;
  readonly settings: CardSettings;
  readonly facts: CardFacts;
  readonly payload: { readonly file: string; readonly sha256: string; readonly bytes: number };
  /** OCI archives that the agent imports at its first start; `name` is the file's name on the card. */
  readonly preload: readonly { readonly file: string; readonly name: string; readonly bytes: number }[];
}

/** Left free on the volume beside what is written, for the log and the file system's own needs. */
const RESERVE_BYTES = 8 * 2 ** 20;

/** What CardFacts must bring, if it is on the card. Paths as in CardStep. */
export function filesToRead(profile: FirmwareProfile): {
  readonly boot: readonly string[];
  readonly root: readonly string[];
} {
  const { bootFiles, rootFiles } = dialectOf(profile);
  return { boot: bootFiles, root: rootFiles };
}

/** Throws CardError. */
export function planCard({ profile, settings, facts, payload, preload }: PlanInput): readonly CardStep[] {
  if (settings.profile !== profile.metadata.name) {
    throw new CardError(`the card is for profile ${settings.profile}, not for ${profile.metadata.name}`);
  }
  const dialect = dialectOf(profile);
  const volume = facts[dialect.volume];
  if (volume === undefined) {
    throw new CardError(
      `profile ${profile.metadata.name} writes to the ${dialect.volume} partition, which this image does not have: is it an image for this board?`,
    );
  }
  const needed = payload.bytes + preload.reduce((sum, { bytes }) => sum + bytes, 0) + RESERVE_BYTES;
  if (volume.freeBytes < needed) {
    throw new CardError(
      `the ${dialect.volume} partition of the image has ${mebibytesThere(volume.freeBytes)} free, the card needs ${mebibytesNeeded(needed)}: ` +
        (preload.length > 0
          ? 'preload fewer or smaller images'
          : 'take an image with a larger boot partition'),
    );
  }
  const input = { profile, settings, boot: facts.boot, root: facts.root };
  const directory = dialect.cardDirectory(profile, facts.boot?.files);
  return [
    // The image may be that of a card: no key or network of another one goes with this one.
    { kind: 'remove', volume: dialect.volume, path: CARD_DIRECTORY },
    ...cardFiles({ volume: dialect.volume, directory, profile, settings, payload, preload }),
    ...dialect.steps(input),
  ];
}
