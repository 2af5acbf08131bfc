/**
 * Reads firmware profiles from files: all of a directory, or a single one that a person wrote. A file that is wrong
 * is an error that names it and the field; so are two profiles of a directory that claim the same board.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeProfile, type FirmwareProfile, ProfileError } from './profile.js';

const SHIPPED = fileURLToPath(new URL('../../firmware-profiles/profiles/', import.meta.url));
/** A profile is a few KiB; a file beyond this is something else. */
const MAX_BYTES = 256 * 1024;

/** The shipped profiles, or those of another directory, in order of their names. */
export async function loadProfiles(directory = SHIPPED): Promise<readonly FirmwareProfile[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.yaml')).sort();
  const profiles = await Promise.all(
    files.map(async (file) => {
      const profile = await read(file, join(directory, file));
      if (profile.metadata.name !== basename(file, '.yaml'))
        throw new ProfileError(
          `firmware profile ${file}: metadata.name: "${profile.metadata.name}" is not the file's name`,
        );
      return profile;
    }),
  );
  assertDistinct(profiles);
  return profiles;
}

/** One profile, whatever its file is called. */
export function readProfileFile(path: string): Promise<FirmwareProfile> {
  return read(path, path);
}

async function read(shown: string, path: string): Promise<FirmwareProfile> {
  const bytes = await readFile(path);
  if (bytes.length > MAX_BYTES)
    throw new ProfileError(
      `firmware profile ${shown}: ${bytes.length} bytes, more than the ${MAX_BYTES} of a profile`,
    );
  return decodeProfile(shown, await parseText(shown, bytes.toString('utf8')));
}

/** JSON is told by its first character, so that a board that has its profile as JSON loads no YAML parser. */
async function parseText(shown: string, text: string): Promise<unknown> {
  try {
    if (text.trimStart().startsWith('{')) return JSON.parse(text);
    const { parseYaml } = await import('./yaml.js');
    return parseYaml(text);
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ProfileError(`firmware profile ${shown}: not readable: ${why}`, { cause: error });
  }
}

/** Throws ProfileError when two profiles claim the same board. */
export function assertDistinct(profiles: readonly FirmwareProfile[]): void {
  const owners = new Map<string, string>();
  for (const { metadata, spec } of profiles) {
    for (const entry of spec.compatible) {
      const other = owners.get(entry);
      if (other !== undefined)
        throw new ProfileError(
          `firmware profile ${metadata.name}: spec.compatible: "${entry}" is claimed by ${other} too`,
        );
      owners.set(entry, metadata.name);
    }
  }
}
