/** Which package brings a program, on Debian and with Homebrew: what to tell whoever lacks it. */
export interface ProgramPackage {
  readonly debian: string;
  /** Absent where the program runs on Linux only. */
  readonly homebrew?: string;
}

const MTOOLS: ProgramPackage = { debian: 'mtools', homebrew: 'mtools' };
const E2FSPROGS: ProgramPackage = { debian: 'e2fsprogs', homebrew: 'e2fsprogs' };
const APT: ProgramPackage = { debian: 'apt' };

export const PROGRAM_PACKAGES: Readonly<Record<string, ProgramPackage>> = {
  xz: { debian: 'xz-utils', homebrew: 'xz' },
  zstd: { debian: 'zstd', homebrew: 'zstd' },
  mcopy: MTOOLS,
  mdir: MTOOLS,
  mmd: MTOOLS,
  mdel: MTOOLS,
  mdeltree: MTOOLS,
  mtype: MTOOLS,
  mlabel: MTOOLS,
  debugfs: E2FSPROGS,
  mke2fs: E2FSPROGS,
  skopeo: { debian: 'skopeo', homebrew: 'skopeo' },
  npm: { debian: 'npm', homebrew: 'node' },
  tar: { debian: 'tar' },
  'apt-get': APT,
  'apt-cache': APT,
  'dpkg-deb': { debian: 'dpkg' },
  mmdebstrap: { debian: 'mmdebstrap' },
  'arch-test': { debian: 'arch-test' },
  unshare: { debian: 'util-linux' },
  flock: { debian: 'util-linux' },
  depmod: { debian: 'kmod' },
  'mkfs.vfat': { debian: 'dosfstools' },
  sfdisk: { debian: 'fdisk' },
  newuidmap: { debian: 'uidmap' },
  newgidmap: { debian: 'uidmap' },
};

/** "xz is needed and not installed: …", with the commands that install it as far as they are known. */
export function notInstalled(program: string): string {
  const { debian, homebrew } = PROGRAM_PACKAGES[program] ?? { debian: program };
  const elsewhere = homebrew === undefined ? '' : `, or "brew install ${homebrew}" on macOS`;
  return `${program} is needed and not installed: "apt install ${debian}"${elsewhere}`;
}
