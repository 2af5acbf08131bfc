/**
 * Images that the card brought: taken into the store at the agent's first start, so that their pods run before any
 * registry has been reached. An archive is removed once its image is in the store; one that is no good is removed
 * too, for the image can still be pulled.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#protocol/lib/logger.js';
import { orMissing } from '../lib/errno.js';
import { ImageError, type ImageErrorReason, type ImageStore } from './image-store.js';

/** Another attempt would end the same. */
const FINAL: readonly ImageErrorReason[] = [
  'ErrImagePull',
  'InvalidImageName',
  'WrongArchitecture',
  'DigestMismatch',
];

export interface PreloadOptions {
  /** Directory of the archives; need not be there. */
  readonly directory: string;
  readonly images: Pick<ImageStore, 'importArchive'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Never rejects. The store takes them one after the other, and pulls wait for all of them. */
export async function importPreloads(options: PreloadOptions): Promise<void> {
  const names = (await orMissing(readdir(options.directory)).catch(() => undefined)) ?? [];
  const archives = names.filter((name) => name.endsWith('.tar')).sort();
  await Promise.all(archives.map((name) => importOne(join(options.directory, name), options)));
}

async function importOne(path: string, { images, logger, signal }: PreloadOptions): Promise<void> {
  try {
    const image = await images.importArchive(path, signal);
    logger.info({ image: image.reference, path }, 'an image of the card is here');
  } catch (error) {
    logger.warn({ err: error, path }, 'an image of the card could not be taken');
    if (!(error instanceof ImageError) || !FINAL.includes(error.reason)) return;
  }
  // A card that cannot be written keeps it; then it is found in the store at the next start.
  await rm(path, { force: true }).catch((error: unknown) =>
    logger.warn({ err: error, path }, 'the archive stays on the card'),
  );
}
