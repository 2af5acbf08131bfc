/** Directories of small state files: making them private, reading what may not be there, removing, setting aside. */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './atomic-file.js';
import { orMissing } from './errno.js';

/** Ending of a file that was being written when the power went; garbage. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Makes a directory that only the agent may enter. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** The file's content, or undefined when it does not exist. */
export function readFileIfPresent(path: string): Promise<Buffer | undefined> {
  return orMissing(readFile(path));
}

/** Removes what is of no use. Where the disk refuses (it may be read-only by now), it stays: that is no reason to stop. */
export async function removeGarbage(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}

/** Gives a damaged file another name. Where the disk refuses, it is found again at the next start. */
export async function setAside(path: string, aside: string): Promise<void> {
  await rename(path, aside).catch(() => undefined);
}

/** Removes a file so that it stays removed after a power cut; one that is not there is fine. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}
