/**
 * How a system's first boot is told to run Covey's: one implementation per family of boot configuration. A dialect
 * is a pure function of the files that are on the card; applying its steps twice is the same as once.
 */
import type { FirmwareProfile } from '../profile.js';
import type { CardSettings } from '../settings.js';
import type { CardStep, Volume } from '../step.js';

/** Small text files of one volume: path → text. A file that is not there is not in the map. */
export type TextFiles = ReadonlyMap<string, string>;

export interface DialectInput {
  readonly profile: FirmwareProfile;
  readonly settings: CardSettings;
  readonly boot: { readonly label: string; readonly files: TextFiles } | undefined;
  readonly root: { readonly files: TextFiles } | undefined;
}

export interface BootDialect {
  /** The volume that carries `covey/`. */
  readonly volume: Volume;
  /** What it wants to read, if there. */
  readonly bootFiles: readonly string[];
  readonly rootFiles: readonly string[];
  /** Where the running system finds `covey/`. */
  cardDirectory(profile: FirmwareProfile, boot: TextFiles | undefined): string;
  /** Arms the first boot. Throws CardError when the card is not of this dialect. */
  steps(input: DialectInput): readonly CardStep[];
}
