/**
 * A Debian root file system for arm64 from packages. Without a kernel package: its hooks would make an initramfs
 * under emulation, which takes longer than all the rest.
 */
import { join } from 'node:path';
import { shellQuoted } from '../first-boot/shell-text.js';
import type { ProgramOptions } from '../lib/program.js';
import type { Archive } from './archive.js';
import type { Recipe } from './recipe.js';
import { runInSandbox } from './sandbox.js';

/** Two minutes on a quiet machine; a busy single core takes its time. */
const TIMEOUT_MS = 40 * 60_000;

/** Nobody reads manuals on a board; licences stay. */
const DPKG_OPTIONS = [
  'force-unsafe-io',
  ...['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*'].map(
    (path) => `path-exclude=${path}`,
  ),
  'path-include=/usr/share/doc/*/copyright',
];

/** Fills `root`, which must not exist. */
export async function bootstrap(
  recipe: Recipe,
  archive: Archive,
  root: string,
  command: ProgramOptions,
): Promise<void> {
  const kept = archive.packages;
  await runInSandbox(
    'mmdebstrap',
    [
      ...['--mode=root', '--architectures=arm64', '--variant=minbase', '--format=directory'],
      ...[`--components=${recipe.components.join(',')}`, `--include=${recipe.packages.join(',')}`],
      ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
      // Downloads go to the cache, and what is there is not downloaded again.
      ...['--skip=essential/unlink', '--skip=download/empty'],
      `--setup-hook=mkdir -p "$1/var/cache/apt/archives" && mount --bind ${shellQuoted(kept)} "$1/var/cache/apt/archives"`,
      '--customize-hook=umount "$1/var/cache/apt/archives"',
      ...[recipe.suite, root, archive.sources],
    ],
    {
      ...command,
      timeoutMs: TIMEOUT_MS,
      env: { SOURCE_DATE_EPOCH: String(archive.time), TMPDIR: join(root, '..') },
    },
  );
}
