/**
 * The firmware profile of the board that the agent runs on: the one that it was flashed with, else the one
 * that its device tree fits. Machines without a device tree have none.
 */
import { readFile } from 'node:fs/promises';
import { orMissing } from '../lib/errno.js';

const COMPATIBLE = '/proc/device-tree/compatible';

/** Name of the profile, or ''. */
export async function boardProfile(flashedWith: string, path = COMPATIBLE): Promise<string> {
  if (flashedWith !== '') return flashedWith;
  const property = await orMissing(readFile(path));
  if (property === undefined) return '';
  // Loaded on boards only; elsewhere there is nothing to recognise.
  const [{ loadProfiles }, { matchProfile, parseCompatible }] = await Promise.all([
    import('#firmware-profiles/load.js'),
    import('#firmware-profiles/match.js'),
  ]);
  return matchProfile(parseCompatible(property), await loadProfiles())?.metadata.name ?? '';
}
