/**
 * How a system's first boot is told to run Covey's: one implementation per family of boot configuration. A dialect
 * is a pure function of the files that are on the card; applying its steps twice is the same as once.
 */
import type { CardSettings } from '../settings.js';
import type { CardStep, Volume } from '../step.js';

/** Small text files of one volume: path → text. A file that is not there is not in the map. */
export type TextFiles = ReadonlyMap<string, string>;

/** What a dialect needs to know of a firmware profile. */
export interface BootProfile {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly kernel: { readonly commandLine: readonly string[] };
    readonly boot: {
      readonly dialect: 'raspberry-pi' | 'cloud-init' | 'direct';
      readonly mountPoint?: string | undefined;
      readonly rootPartition?: number | undefined;
      readonly configText?: Readonly<Record<string, string>> | undefined;
      readonly seedLabel?: string | undefined;
    };
    readonly watchdog: boolean;
  };
}

export interface DialectInput {
  readonly profile: BootProfile;
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
  cardDirectory(input: DialectInput): string;
  /** Arms the first boot. Throws CardError when the card is not of this dialect. */
  steps(input: DialectInput): readonly CardStep[];
}
