/**
 * The firmware profile of the board that the agent runs on: the file that lies on the card, else the shipped one that
 * it was flashed with, else the one that its device tree fits. Machines without a device tree have none. Read once;
 * the agent keeps only what it acts on. A profile that cannot be read never keeps the agent from starting.
 */
import { readFile } from 'node:fs/promises';
import type { FirmwareProfile, FirmwareProfileSpec } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import type { Logger } from '#protocol/lib/logger.js';
import { orMissing } from '../lib/errno.js';

const COMPATIBLE = '/proc/device-tree/compatible';

export interface BoardProfile extends Pick<FirmwareProfileSpec, 'hardware'> {
  /** '' when the board has no profile. */
  readonly name: string;
  /** Undefined: nothing is known of what the system needs. */
  readonly reserved?: FirmwareProfileSpec['reserved'];
}

export interface BoardProfileOptions {
  /** Name of a profile, or ''. */
  readonly flashedWith: string;
  /** Path of a profile, or ''. */
  readonly file: string;
  readonly logger: Logger;
  /** The device tree's `compatible`. */
  readonly tree?: string;
}

export async function boardProfile(options: BoardProfileOptions): Promise<BoardProfile> {
  const { flashedWith, logger } = options;
  try {
    const found = await find(options);
    if (found !== undefined) {
      const { reserved, hardware } = found.spec;
      return { name: found.metadata.name, reserved, hardware };
    }
    if (flashedWith !== '')
      logger.warn(
        { profile: flashedWith },
        'no such firmware profile comes with this agent: only its name is told',
      );
  } catch (error) {
    logger.warn({ err: error }, 'the firmware profile of this board cannot be used');
  }
  return { name: flashedWith, hardware: [] };
}

async function find(options: BoardProfileOptions): Promise<FirmwareProfile | undefined> {
  const { flashedWith, file, tree = COMPATIBLE } = options;
  const property = file === '' && flashedWith === '' ? await orMissing(readFile(tree)) : new Uint8Array();
  if (property === undefined) return undefined;
  // Loaded on boards only; elsewhere there is nothing to recognise.
  const [{ loadProfile, loadProfiles, readProfileFile }, { matchProfile, parseCompatible }] =
    await Promise.all([import('#firmware-profiles/load.js'), import('#firmware-profiles/match.js')]);
  if (file !== '') return readProfileFile(file);
  if (flashedWith !== '') return loadProfile(flashedWith);
  return matchProfile(parseCompatible(property), await loadProfiles());
}
