/** Reads and checks every profile of a directory. A file that is wrong is an error that names it and the field. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type FirmwareProfile, firmwareProfileSchema } from './profile.js';

const SHIPPED = fileURLToPath(new URL('../../firmware-profiles/profiles/', import.meta.url));

/** In order of their names. */
export async function loadProfiles(directory = SHIPPED): Promise<readonly FirmwareProfile[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.yaml')).sort();
  return Promise.all(
    files.map(async (file) => readProfile(file, await readFile(join(directory, file), 'utf8'))),
  );
}

function readProfile(file: string, text: string): FirmwareProfile {
  const parsed = firmwareProfileSchema.safeParse(parse(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`firmware profile ${file}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  if (parsed.data.name !== basename(file, '.yaml')) {
    throw new Error(`firmware profile ${file}: name: "${parsed.data.name}" is not the file's name`);
  }
  return parsed.data;
}
