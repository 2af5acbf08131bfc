/** SHA-256 of files and directories, as lower-case hexadecimal digits. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

const READ_BYTES = 2 ** 20;

export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Depends on the names below the directory and on what the files hold, on nothing else. */
export async function digestOfTree(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await filesBelow(directory)) {
    hash.update(`${path}\0${await digestOf(join(directory, path))}\n`);
  }
  return hash.digest('hex');
}

/** Paths of the files below a directory, with '/', in one order on every machine. */
export async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
