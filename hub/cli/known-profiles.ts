/**
 * The firmware profiles that a command knows: those that come with this version, and those of the hub when its data
 * directory is here. The hub's object goes before the shipped file only when it is a person's: the others are the same.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { loadProfiles, readProfileFile, unknownProfile } from '#firmware-profiles/load.js';
import { decodeProfile, type FirmwareProfile, isShipped, ProfileError } from '#firmware-profiles/profile.js';
import { FLEET_API_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import { readFileIfPresent } from '../lib/files.js';
import { callApi, readCredentials } from './credentials.js';

const PROFILES = `/apis/${FLEET_API_VERSION}/firmwareprofiles`;
/** A hub has some dozens at most. */
const LIMIT = 500;

const listSchema = z.object({ items: z.array(z.record(z.string(), z.unknown())) });

export interface KnownProfiles {
  /** By name. */
  readonly profiles: readonly FirmwareProfile[];
  /** Why the hub's are not among them; undefined when they are, or when no hub is here. */
  readonly hubMissing?: string;
}

/** Never rejects for want of a hub. */
export async function knownProfiles(dataDir: string): Promise<KnownProfiles> {
  const shipped = await loadProfiles();
  try {
    if ((await readFileIfPresent(join(dataDir, 'kubeconfig'))) === undefined) return { profiles: shipped };
    const own = (await hubProfiles(dataDir)).filter((profile) => !isShipped(profile));
    const names = new Set(own.map(({ metadata }) => metadata.name));
    const all = [...own, ...shipped.filter(({ metadata }) => !names.has(metadata.name))];
    return { profiles: all.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)) };
  } catch (error) {
    return { profiles: shipped, hubMissing: error instanceof Error ? error.message : String(error) };
  }
}

/** A file by its path, else a profile that is known by this name. Throws ProfileError. */
export async function profileNamed(nameOrPath: string, dataDir: string): Promise<FirmwareProfile> {
  if (isPath(nameOrPath)) return readProfileFile(nameOrPath);
  const { profiles, hubMissing } = await knownProfiles(dataDir);
  const found = profiles.find(({ metadata }) => metadata.name === nameOrPath);
  if (found !== undefined) return found;
  const { message } = unknownProfile(nameOrPath, profiles);
  throw new ProfileError(
    hubMissing === undefined ? message : `${message}; the hub was not asked: ${hubMissing}`,
  );
}

/** Names of profiles have neither a '/' nor a '.'. */
function isPath(text: string): boolean {
  return /[/.]/.test(text);
}

async function hubProfiles(dataDir: string): Promise<readonly FirmwareProfile[]> {
  const credentials = await readCredentials(dataDir);
  const { items } = listSchema.parse(
    await callApi(credentials, { method: 'GET', path: `${PROFILES}?limit=${LIMIT}` }),
  );
  return items.map((item) =>
    decodeProfile('of the hub', { apiVersion: FLEET_API_VERSION, kind: 'FirmwareProfile', ...item }),
  );
}
