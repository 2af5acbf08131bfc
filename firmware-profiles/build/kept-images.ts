/**
 * The images that were built before: taken instead of building again while they are fresh. A build works in a
 * directory of its own while no other one works, and its image is kept under its name only when it is whole.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ProgramOptions, runProgram } from '../lib/program.js';
import { syncFile } from '../lib/sync-file.js';
import { runInSandbox } from './sandbox.js';
import { takeTurn } from './take-turn.js';
import { checkTools } from './tools.js';

export interface KeptImageInput {
  /** Made if need be. */
  readonly directory: string;
  /** Stands for everything that decides what the image holds. */
  readonly name: string;
  /** Builds the image to `<work>/image`; `work` may hold files that belong to other users. */
  readonly build: (work: string) => Promise<void>;
  readonly say?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface KeptImage {
  readonly path: string;
  /** Whether it was built before. */
  readonly kept: boolean;
}

/** A kept image is rebuilt after this, for the archive's security updates. */
const MAX_AGE_MS = 7 * 24 * 3_600_000;
const IMAGE = '.img';
const WORK = 'work-';
/** What a build that was killed left behind. */
const STALE_WORK_MS = 24 * 3_600_000;

/** Throws BuildError. */
export async function keptImage({ directory, name, build, say, signal }: KeptImageInput): Promise<KeptImage> {
  const path = join(directory, `${name}${IMAGE}`);
  await mkdir(directory, { recursive: true });
  if (await isFresh(path)) return { path, kept: true };
  await checkTools();
  const waiting = () => say?.(`another image is being built with ${directory}: waiting until it is done`);
  await using _turn = await takeTurn(directory, { waiting, signal });
  // It may be the one that was waited for.
  if (await isFresh(path)) return { path, kept: true };
  await sweep(directory);
  const work = join(directory, `${WORK}${randomUUID()}`);
  await mkdir(work);
  try {
    await build(work);
    await syncFile(join(work, 'image'));
    await rename(join(work, 'image'), path);
  } finally {
    // Without a signal: what a build that was given up has made goes as well.
    await runInSandbox('rm', ['-rf', '--', work]);
  }
  return { path, kept: false };
}

/** Holes stay holes; the file has its name once it is whole and on disk. */
export async function copyImage(from: string, to: string, command: ProgramOptions): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = `${to}.${randomUUID()}.tmp`;
  try {
    await runProgram('cp', ['--sparse=always', '--reflink=auto', '--', from, temporary], command);
    await syncFile(temporary);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function isFresh(path: string): Promise<boolean> {
  return (await ageOf(path)) < MAX_AGE_MS;
}

/** In milliseconds; without end for what is not there. */
async function ageOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? Number.POSITIVE_INFINITY : Date.now() - found.mtimeMs;
}

/** Removes kept images that are too old, and what killed builds left. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    // It may be another run's, and gone by now.
    const age = await ageOf(path);
    if (name.endsWith(IMAGE) && age > MAX_AGE_MS) await rm(path, { force: true });
    if (name.startsWith(WORK) && age > STALE_WORK_MS) await runInSandbox('rm', ['-rf', '--', path]);
  }
}
