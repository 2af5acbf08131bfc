/**
 * The kernel's package taken apart: its image, its device trees, the modules that the image keeps with their
 * index, and the initramfs made of some of them.
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProgramOptions, runProgram } from '../lib/program.js';
import { BuildError } from './build-error.js';
import { loadOrder, moduleName, parseBuiltIn, parseModulesDep } from './modules.js';
import type { Recipe } from './recipe.js';

export interface Kernel {
  /** As `uname -r` says. */
  readonly version: string;
  readonly image: string;
  /** Holds kernel/ and the modules' index. */
  readonly modules: string;
  readonly deviceTrees: readonly string[];
  /** What the initramfs loads, in order; uncompressed. */
  readonly bootModules: readonly { readonly name: string; readonly data: Uint8Array }[];
}

/** ext4 asks for the checksum by name, which no index lists. */
const ROOT_FILE_SYSTEM = ['crc32c_generic', 'ext4'];

/** Unpacks the package into `directory`. */
export async function unpackKernel(
  recipe: Recipe,
  file: string,
  directory: string,
  command: ProgramOptions,
): Promise<Kernel> {
  await runProgram('dpkg-deb', ['-x', file, directory], command);
  const base = join(directory, 'lib/modules');
  const [version, ...others] = await readdir(base).catch(() => []);
  if (version === undefined || others.length > 0)
    throw new BuildError(`${file} is not the package of one kernel`);
  const modules = join(base, version);
  for (const path of recipe.unusedModules)
    await rm(join(modules, 'kernel', path), { recursive: true, force: true });
  await runProgram('depmod', ['-b', directory, version], command);
  const graph = parseModulesDep(await readFile(join(modules, 'modules.dep'), 'utf8'));
  const builtIn = parseBuiltIn(await readFile(join(modules, 'modules.builtin'), 'utf8'));
  const wanted = loadOrder(graph, [...ROOT_FILE_SYSTEM, ...recipe.board.bootModules], builtIn);
  const trees = join(directory, 'usr/lib', `linux-image-${version}`);
  return {
    version,
    image: join(directory, 'boot', `vmlinuz-${version}`),
    modules,
    deviceTrees: recipe.board.deviceTrees.map((path) => join(trees, path)),
    bootModules: await Promise.all(
      wanted.map(async (path) => ({
        name: moduleName(path),
        data: await uncompressed(join(modules, path)),
      })),
    ),
  };
}

/** Moves the modules to where a root file system has them. */
export async function moveModules(kernel: Kernel, parent: string): Promise<void> {
  await rename(kernel.modules, join(parent, kernel.version));
}

async function uncompressed(path: string): Promise<Uint8Array> {
  if (path.endsWith('.ko')) return readFile(path);
  throw new BuildError(`${path} is compressed; this version of Covey knows kernels with plain modules`);
}
