/**
 * The files of one agent release as it lies in /opt/covey/releases/<version>/: the bundle, the profiles beside it, its
 * launcher, and the native add-on for its processor, which is no part of a bundle.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReleaseArchitecture } from '#protocol/fleet/v1alpha1/agent-release.js';
import { CardError } from '../card-error.js';
import { filesBelow } from '../lib/digest.js';
import { runProgram } from '../lib/program.js';
import { syncFile } from '../lib/sync-file.js';

const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url));
/** Starts an agent of this release or another; see starter.sh beside it. */
export const LAUNCHER = fileURLToPath(new URL('../../../device-agent/firmware/launch.sh', import.meta.url));
const ADD_ON = 'node-pty';

export interface StageOptions {
  /** Filled; removed first. */
  readonly directory: string;
  /** dist/bundle, as `npm run build` makes it. */
  readonly bundle: string;
  readonly cache: string;
  readonly architecture: ReleaseArchitecture;
  readonly signal?: AbortSignal | undefined;
}

/** npm's names of processors. */
const CPUS: Readonly<Record<ReleaseArchitecture, string>> = { arm64: 'arm64', amd64: 'x64' };

/** Fills the directory with a release. Throws CardError when something for it is missing, with what to do. */
export async function stageAgentRelease(options: StageOptions): Promise<void> {
  const { directory, bundle, cache, architecture, signal } = options;
  if (!existsSync(join(bundle, 'device-agent/main.js'))) {
    throw new CardError(`${bundle} has no bundle of the device agent: run npm run build`);
  }
  await rm(directory, { recursive: true, force: true });
  await mkdir(dirname(directory), { recursive: true });
  await cp(bundle, directory, { recursive: true });
  await copyFile(LAUNCHER, join(directory, 'launcher'));
  const addOn = await addOnFor(cache, architecture, signal);
  await cp(join(addOn, 'node_modules'), join(directory, 'node_modules'), { recursive: true });
  await copyFile(join(addOn, 'package.json'), join(directory, 'package.json'));
}

/** A directory with package.json and node_modules for the architecture, installed once per version. */
async function addOnFor(
  cache: string,
  architecture: ReleaseArchitecture,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { dependencies } = JSON.parse(await readFile(PACKAGE, 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  const manifest = { private: true, type: 'module', dependencies: { [ADD_ON]: dependencies[ADD_ON] } };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  const cpu = CPUS[architecture];
  const digest = createHash('sha256').update(text).digest('hex');
  const kept = join(cache, `add-on-${cpu}-${digest.slice(0, 16)}`);
  if (existsSync(kept)) return kept;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, 'add-on-'));
  try {
    await writeFile(join(scratch, 'package.json'), text);
    const target = ['--os=linux', `--cpu=${cpu}`, '--libc=glibc', '--ignore-scripts', '--no-package-lock'];
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    await runProgram('npm', ['install', ...target, ...quiet, '--cache', join(cache, 'npm')], {
      cwd: scratch,
      signal,
    });
    // Says where it came from, which is not the same on every machine.
    await rm(join(scratch, 'node_modules/.package-lock.json'), { force: true });
    for (const name of await filesBelow(scratch)) await syncFile(join(scratch, name));
    await rename(scratch, kept).catch((error: unknown) => {
      // Another process was faster with the same.
      if (!existsSync(kept)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return kept;
}
