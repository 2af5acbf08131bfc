/**
 * Reads firmware profiles from files: all of a directory, or a single one that a person wrote. A file that is wrong
 * is an error that names it and the field; so are two profiles of a directory that claim the same board.
 */
import { open, readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { editDistance } from './lib/edit-distance.js';
import { fileTrouble } from './lib/file-trouble.js';
import { decodeProfile, type FirmwareProfile, marked, ProfileError } from './profile.js';

const SHIPPED = fileURLToPath(new URL('../../firmware-profiles/profiles/', import.meta.url));
/** On boards they are JSON, so that no YAML parser is loaded. */
const EXTENSIONS = ['.yaml', '.yml', '.json'];
/** A profile is a few KiB; a file beyond this is something else. */
const MAX_BYTES = 256 * 1024;
/** A name with more wrong letters is another name. */
const MAX_TYPOS = 2;

/** The shipped profiles, or those of another directory, in order of their names. */
export async function loadProfiles(directory = SHIPPED): Promise<readonly FirmwareProfile[]> {
  const files = (await readdir(directory)).filter((name) => EXTENSIONS.includes(extname(name))).sort();
  const profiles = await Promise.all(files.map((file) => readNamed(directory, file)));
  assertDistinct(profiles);
  return profiles;
}

/** The profile of this name, without reading the others; undefined when there is none. */
export async function loadProfile(name: string, directory = SHIPPED): Promise<FirmwareProfile | undefined> {
  const file = fileOf(name, await readdir(directory));
  return file === undefined ? undefined : readNamed(directory, file);
}

/** The text of a shipped profile's file, with the sources of its facts; undefined when there is none. */
export async function shippedManifest(name: string): Promise<string | undefined> {
  const file = fileOf(name, await readdir(SHIPPED));
  return file === undefined ? undefined : readFile(join(SHIPPED, file), 'utf8');
}

/** One profile that a person wrote, whatever its file is called. */
export async function readProfileFile(path: string): Promise<FirmwareProfile> {
  return marked(await read(path, path), false);
}

/** The error for a name that no profile has, with the names that are near and all that there are. */
export function unknownProfile(name: string, known: readonly FirmwareProfile[]): ProfileError {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const typos = ({ metadata, spec }: FirmwareProfile) => {
    const isPart = [metadata.name, spec.title].some((text) => plain(text).includes(plain(name)));
    return isPart ? 0 : editDistance(plain(metadata.name), plain(name));
  };
  const fewest = plain(name) === '' ? Number.POSITIVE_INFINITY : Math.min(...known.map(typos));
  const near = fewest > MAX_TYPOS ? [] : known.filter((profile) => typos(profile) === fewest);
  const names = (profiles: readonly FirmwareProfile[]) =>
    profiles.map(({ metadata }) => metadata.name).join(', ');
  const hint = near.length === 0 ? '' : `; did you mean ${names(near)}?`;
  return new ProfileError(
    `no firmware profile "${name}"${hint} (known: ${names(known)}; for a board of your own give the path of its file)`,
  );
}

function fileOf(name: string, files: readonly string[]): string | undefined {
  return EXTENSIONS.map((extension) => `${name}${extension}`).find((file) => files.includes(file));
}

async function readNamed(directory: string, file: string): Promise<FirmwareProfile> {
  const profile = await read(file, join(directory, file));
  if (profile.metadata.name !== basename(file, extname(file)))
    throw new ProfileError(
      `firmware profile ${file}: metadata.name: "${profile.metadata.name}" is not the file's name`,
    );
  return marked(profile, true);
}

async function read(shown: string, path: string): Promise<FirmwareProfile> {
  await using file = await open(path).catch((error: unknown) => {
    throw new ProfileError(`firmware profile ${shown}: ${fileTrouble(error)}`, { cause: error });
  });
  const info = await file.stat();
  if (!info.isFile() || info.size > MAX_BYTES)
    throw new ProfileError(
      `firmware profile ${shown}: not a profile, which is a file of at most ${MAX_BYTES} bytes`,
    );
  return decodeProfile(shown, await parseText(shown, await file.readFile('utf8')));
}

/** JSON is told by its first character. */
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
function assertDistinct(profiles: readonly FirmwareProfile[]): void {
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
