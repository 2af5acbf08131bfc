/** The programs that building needs, with the Debian packages that bring them; an error names the one command to run. */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { DEBIAN_KEYRING } from '../lib/apt.js';
import { programEnvironment } from '../lib/program.js';
import { PROGRAM_PACKAGES } from '../lib/program-packages.js';
import { BuildError } from './build-error.js';

/** Runs arm64 programs on another processor. */
export const EMULATOR = '/usr/bin/qemu-aarch64-static';

/** Names of programs and paths of files. */
const NEEDS: readonly string[] = [
  ...[
    'apt-get',
    'dpkg-deb',
    DEBIAN_KEYRING,
    'mmdebstrap',
    'arch-test',
    'unshare',
    'flock',
    'depmod',
    'mkfs.vfat',
    'mcopy',
  ],
  ...['mke2fs', 'sfdisk'],
];
const FILE_PACKAGES: Readonly<Record<string, string>> = {
  [DEBIAN_KEYRING]: 'debian-archive-keyring',
  [EMULATOR]: 'qemu-user-static',
};

export interface Builder {
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly has: (file: string) => Promise<boolean>;
}

const thisMachine: Builder = {
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  has: async (file) => {
    const places = file.startsWith('/')
      ? [file]
      : (programEnvironment()['PATH'] ?? '').split(':').map((directory) => join(directory, file));
    for (const place of places) {
      try {
        await access(place, file.startsWith('/') ? constants.R_OK : constants.X_OK);
        return true;
      } catch {
        // Not there, or not for us: the same to us.
      }
    }
    return false;
  },
};

/** Throws BuildError that names the missing packages and how to install them. */
export async function checkTools(builder: Builder = thisMachine): Promise<void> {
  if (builder.platform !== 'linux')
    throw new BuildError(
      'building an image needs Linux with apt (Debian, Ubuntu or Raspberry Pi OS). Flash a downloaded image instead: --image FILE',
    );
  const needs = [
    ...NEEDS,
    ...(builder.arch === 'arm64' ? [] : [EMULATOR]),
    ...(builder.isRoot ? [] : ['newuidmap']),
  ];
  const missing: string[] = [];
  for (const need of needs) if (!(await builder.has(need))) missing.push(packageOf(need));
  if (missing.length === 0) return;
  const sudo = builder.isRoot ? '' : 'sudo ';
  throw new BuildError(
    `building an image needs ${missing.join(', ')}; run: ${sudo}apt-get install -y --no-install-recommends ${missing.join(' ')}`,
  );
}

function packageOf(need: string): string {
  return FILE_PACKAGES[need] ?? PROGRAM_PACKAGES[need]?.debian ?? need;
}
