/**
 * What is done to a freshly written card, as data: the planner returns these, flashing applies them in order.
 * Every step is idempotent, so applying all of them again completes a run that was cut off.
 */

/** `boot`: the FAT partition of the profile. `root`: the root file system. */
export type Volume = 'boot' | 'root';

/** A file is named by its path on the machine that flashes. */
export type Content = { readonly text: string } | { readonly file: string };

/** Paths are relative to the volume's root, with '/' between parts and none in front. */
export type CardStep =
  /** Replaces the file; parents are made. A FAT keeps no mode. Owner on `root` is 0:0. */
  | {
      readonly kind: 'write';
      readonly volume: Volume;
      readonly path: string;
      readonly content: Content;
      readonly mode: number;
    }
  /** Replaces what is there; parents are made. */
  | { readonly kind: 'symlink'; readonly volume: 'root'; readonly path: string; readonly target: string }
  /** A file, or a directory with all that is in it; none is no error. */
  | { readonly kind: 'remove'; readonly volume: Volume; readonly path: string }
  /** Sets the label of the FAT. */
  | { readonly kind: 'label'; readonly volume: 'boot'; readonly label: string };
