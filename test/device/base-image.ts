/**
 * The base image of the device tests: the one that COVEY_BASE_IMAGE names, or one that is built from Debian's
 * packages and kept in the cache.
 */
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { buildImage } from '#firmware-profiles/build/build-image.js';
import { checkTools } from '#firmware-profiles/build/tools.js';
import { loadProfiles } from '#firmware-profiles/load.js';

export const DEVICE_CACHE = process.env['COVEY_DEVICE_CACHE'] ?? join(homedir(), '.cache/covey-device');
const PROFILE = 'qemu-virt-arm64';
/** A power of two, as QEMU wants an SD card; sparse. */
const SIZE_BYTES = 2 * 2 ** 30;

/** Why there is none and none can be built; undefined when there is. */
export async function whyNoBaseImage(): Promise<string | undefined> {
  const image = process.env['COVEY_BASE_IMAGE'] ?? '';
  if (image === '') return whyNoBuild();
  try {
    await access(image);
    return undefined;
  } catch (error) {
    return `COVEY_BASE_IMAGE: ${(error as Error).message}`;
  }
}

/** Why no image can be built here; undefined when one can. */
export async function whyNoBuild(): Promise<string | undefined> {
  try {
    await checkTools();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Path of an image in which root logs in on the serial console; `directory` takes one that is built. */
export async function baseImage(directory: string): Promise<string> {
  const image = process.env['COVEY_BASE_IMAGE'] ?? '';
  if (image !== '') return image;
  return buildFor(PROFILE, join(directory, 'base.img'));
}

export async function buildFor(name: string, file: string): Promise<string> {
  const profile = (await loadProfiles()).find(({ metadata }) => metadata.name === name);
  if (profile === undefined) throw new Error(`no profile ${name}`);
  const progress = (line: string) => process.stderr.write(`${name}: ${line}\n`);
  await buildImage({
    profile,
    file,
    sizeBytes: SIZE_BYTES,
    cache: DEVICE_CACHE,
    consoleLogin: true,
    progress,
  });
  return file;
}
