/** What a card is written to. Positions and lengths are multiples of TARGET_ALIGNMENT, buffers page-aligned. */

import { CardError } from '../card-error.js';

/** Fits every disk: sectors are 512 or 4096 bytes. */
export const TARGET_ALIGNMENT = 4096;

export interface Target extends AsyncDisposable {
  /** As the person named it. */
  readonly path: string;
  readonly bytes: number;
  /** What was never written, or not since it was cleared, reads as zeros, so zeros need not be written. */
  readonly sparse: boolean;
  /** Of a sparse one: forgets everything that it holds. */
  clear(): Promise<void>;
  write(buffer: Buffer, position: number): Promise<void>;
  /** Reads what the medium holds, past every cache where the system can. */
  read(buffer: Buffer, position: number): Promise<void>;
  /** Resolves when everything written is on the medium. */
  sync(): Promise<void>;
}

/** The target is a file of somebody's. */
export function noUnfinishedCard(path: string): CardError {
  return new CardError(`${path} exists and is no unfinished card: remove it, or overwrite it with --force`);
}
