/**
 * `covey flash --build`: a bootable image for a profile from Debian's packages, with no base image given. What was built
 * is kept, so that a hundred cards are built once, and so are the packages, so that the next build downloads
 * only what is new. The file appears whole or not at all.
 */
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ProgramOptions, runProgram } from '../lib/program.js';
import type { FirmwareProfile } from '../profile.js';
import { Archive } from './archive.js';
import { assemble } from './assemble.js';
import { bootstrap } from './bootstrap.js';
import { fillRoot } from './fill-root.js';
import { initramfs } from './initramfs.js';
import { copyImage, keptImage } from './kept-images.js';
import { moveModules, unpackKernel } from './kernel.js';
import { planLayout } from './layout.js';
import { planRecipe, type Recipe } from './recipe.js';
import { commandLine, planRootFiles } from './root-files.js';

export interface BuildOptions {
  readonly profile: FirmwareProfile;
  /** Replaced. */
  readonly file: string;
  /** Of the image; as small as can be when absent: first boot grows the root to the card's size. */
  readonly sizeBytes?: number | undefined;
  /** Keeps packages and built images; made if need be. */
  readonly cache: string;
  readonly suite?: string | undefined;
  /** For tests: root logs in on the serial console without a password. */
  readonly consoleLogin?: boolean | undefined;
  readonly progress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BuiltImage {
  readonly file: string;
  readonly sizeBytes: number;
  /** Whether a kept image was taken. */
  readonly kept: boolean;
}

/** Of the cache: others keep things there as well. */
const FOLDER = 'built-images';
/** Part of a kept image's name: raised when the same recipe gives another image. */
const FORMAT = 2;

/** Throws BuildError, or the signal's reason. */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const { profile, file, sizeBytes, suite, consoleLogin, progress, signal } = options;
  const recipe = planRecipe({ profile, suite, consoleLogin });
  const cache = join(options.cache, FOLDER);
  const say = progress ?? (() => undefined);
  const key = keyOf(recipe, sizeBytes);
  const command = { signal };
  const { path, kept } = await keptImage({
    directory: cache,
    name: nameOf(recipe, key),
    build: (work) => build({ recipe, sizeBytes, key, cache, work, command, say }),
    say,
    signal,
  });
  if (kept) say(`taking the image built before: ${path}`);
  await copyImage(path, file, command);
  return { file, sizeBytes: (await stat(file)).size, kept };
}

/** Where below the cache the image is kept once it was built. */
export function keptImageFile(options: Pick<BuildOptions, 'profile' | 'suite' | 'sizeBytes'>): string {
  const recipe = planRecipe(options);
  return join(FOLDER, `${nameOf(recipe, keyOf(recipe, options.sizeBytes))}.img`);
}

function nameOf({ profile }: Recipe, key: string): string {
  return `${profile}-${key}`;
}

function keyOf(recipe: Recipe, sizeBytes: number | undefined): string {
  return createHash('sha256')
    .update(JSON.stringify([FORMAT, recipe, sizeBytes]))
    .digest('hex')
    .slice(0, 16);
}

interface Build {
  readonly recipe: Recipe;
  readonly sizeBytes: number | undefined;
  readonly key: string;
  readonly cache: string;
  readonly work: string;
  readonly command: ProgramOptions;
  readonly say: (line: string) => void;
}

async function build({ recipe, sizeBytes, key, cache, work, command, say }: Build): Promise<void> {
  const at = (name: string) => join(work, name);
  const diskId = key.slice(0, 8);
  say(`reading the package lists of Debian ${recipe.suite} for arm64`);
  const archive = await Archive.open(join(cache, recipe.suite), recipe.suite, recipe.components, command);
  const kernelName = await archive.dependencyOf(recipe.kernelPackage, 'linux-image-');
  const { firmwarePackage } = recipe.board;
  say(`fetching ${kernelName}`);
  const debs = await archive.download([
    kernelName,
    ...(firmwarePackage === undefined ? [] : [firmwarePackage]),
  ]);

  for (const name of ['boot', 'staged/usr/lib/modules', 'staged/usr/lib/firmware', 'kernel', 'firmware'])
    await mkdir(at(name), { recursive: true });
  const kernel = await unpackKernel(recipe, debs.get(kernelName) ?? '', at('kernel'), command);
  await moveModules(kernel, at('staged/usr/lib/modules'));
  if (firmwarePackage !== undefined) {
    await runProgram('dpkg-deb', ['-x', debs.get(firmwarePackage) ?? '', at('firmware')], command);
    await copyBootFirmware(at('firmware/usr/lib/raspi-firmware'), at('boot'));
    await rename(at('firmware/lib/firmware/brcm'), at('staged/usr/lib/firmware/brcm'));
  }

  say(`installing ${recipe.packages.length} packages and what they need (two minutes or more)`);
  await bootstrap(recipe, archive, at('root'), {
    ...command,
    onLine: (line) => {
      const [, step] = /^I: (downloading|extracting|installing|cleaning)/.exec(line) ?? [];
      if (step !== undefined) say(line.slice(3));
    },
  });
  const rootContentBytes = await fillRoot({
    root: at('root'),
    staged: at('staged'),
    files: planRootFiles(recipe, { diskId }),
    consoleLogin: recipe.consoleLogin,
    time: archive.time,
    command,
  });

  say('putting the image together');
  const busybox = await readFile(at('root/usr/bin/busybox'));
  const boot: Readonly<Record<string, string | Uint8Array>> = {
    'cmdline.txt': commandLine(recipe, { diskId }),
    'config.txt': `${recipe.configText.join('\n')}\n`,
    initramfs8: initramfs({ busybox, modules: kernel.bootModules, time: archive.time }),
  };
  for (const [name, content] of Object.entries(boot)) await writeFile(join(at('boot'), name), content);
  await copyFile(kernel.image, join(at('boot'), 'kernel8.img'));
  for (const tree of kernel.deviceTrees) await copyFile(tree, join(at('boot'), basename(tree)));
  await runProgram('find', [at('boot'), '-exec', 'touch', '-d', `@${archive.time}`, '{}', '+'], command);
  const layout = planLayout({ rootContentBytes, sizeBytes, diskId });
  const { time } = archive;
  await assemble({ layout, boot: at('boot'), root: at('root'), file: at('image'), time, command });
}

/** The boot loader's files, without those for debugging it. */
async function copyBootFirmware(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (/_?db\.(elf|dat)$/.test(name)) continue;
    await copyFile(join(from, name), join(to, name));
    await chmod(join(to, name), 0o644);
  }
}
