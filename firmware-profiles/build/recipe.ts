/**
 * Everything that decides what an image holds, as data: two equal recipes, built from the same state of Debian's
 * archive, give the same image. Pure.
 */
import { BOARD_PACKAGES } from '../payload/debian-packages.js';
import type { FirmwareProfile } from '../profile.js';
import { type Board, boardOf } from './boards.js';
import { BuildError } from './build-error.js';

export const DEFAULT_SUITE = 'bookworm';
/** What the lists below are known to hold for. */
const SUITES = [DEFAULT_SUITE];

export interface Recipe {
  readonly profile: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Installed by Debian's tools, with what they depend on. */
  readonly packages: readonly string[];
  /** A metapackage that depends on the kernel. */
  readonly kernelPackage: string;
  /** Module folders that are left out, below the modules' `kernel/`. */
  readonly unusedModules: readonly string[];
  readonly board: Board;
  /** Words for cmdline.txt after `root=`. */
  readonly commandLine: readonly string[];
  readonly configText: readonly string[];
  readonly mountPoint: string;
  /** root logs in on the serial console without a password: for tests. */
  readonly consoleLogin: boolean;
}

/** A system that runs containers with no network at hand. */
const PACKAGES = [
  // The system itself.
  ...['systemd', 'systemd-sysv', 'systemd-timesyncd', 'systemd-resolved', 'dbus', 'udev', 'kmod', 'netbase'],
  ...['ca-certificates', 'libstdc++6', 'openssh-server', 'busybox-static'],
  // Checking and growing its own disk.
  ...['fdisk', 'e2fsprogs', 'dosfstools'],
  // Containers and their networks.
  ...[...BOARD_PACKAGES, 'iputils-ping'],
];

/** Drivers of machines that are no small boards; they are a third of all. */
const UNUSED_MODULES = [
  ...['drivers/infiniband', 'drivers/isdn', 'drivers/target', 'drivers/xen', 'drivers/hv', 'drivers/edac'],
  ...['drivers/gpu/drm/amd', 'drivers/gpu/drm/nouveau', 'drivers/gpu/drm/radeon', 'drivers/gpu/drm/vmwgfx'],
  ...['drivers/media/pci', 'drivers/media/dvb-frontends', 'drivers/media/tuners', 'drivers/crypto/cavium'],
  ...['drivers/net/fddi', 'drivers/net/hyperv', 'drivers/net/xen-netback', 'drivers/net/wireless/intel'],
  ...['drivers/net/ethernet/mellanox', 'drivers/net/ethernet/chelsio', 'drivers/net/ethernet/qlogic'],
  ...['drivers/net/ethernet/cavium', 'drivers/net/ethernet/sfc', 'drivers/net/ethernet/netronome'],
  ...['drivers/net/ethernet/emulex', 'drivers/net/ethernet/brocade', 'drivers/net/ethernet/cisco'],
  ...['drivers/scsi/aic7xxx', 'drivers/scsi/be2iscsi', 'drivers/scsi/bfa', 'drivers/scsi/bnx2i'],
  ...['drivers/scsi/cxgbi', 'drivers/scsi/hisi_sas', 'drivers/scsi/lpfc', 'drivers/scsi/megaraid'],
  ...['drivers/scsi/mpi3mr', 'drivers/scsi/mpt3sas', 'drivers/scsi/pm8001', 'drivers/scsi/qedf'],
  ...['drivers/scsi/qedi', 'drivers/scsi/qla2xxx', 'drivers/scsi/smartpqi', 'sound/pci'],
];

export interface RecipeOptions {
  readonly profile: FirmwareProfile;
  readonly suite?: string | undefined;
  readonly consoleLogin?: boolean | undefined;
}

/** Throws BuildError when no image can be built for the profile or from the suite. */
export function planRecipe({ profile, suite = DEFAULT_SUITE, consoleLogin = false }: RecipeOptions): Recipe {
  if (!SUITES.includes(suite))
    throw new BuildError(`images can be built from Debian ${SUITES.join(', ')}, not from "${suite}"`);
  const { kernel, boot, compatible } = profile.spec;
  const board = boardOf(profile.metadata.name, compatible);
  // Not the profile's: that one holds for the board maker's kernel, which counts the same ports differently.
  const consoles = ['console=tty0', `console=${board.serialConsole}`];
  return {
    profile: profile.metadata.name,
    suite,
    components: ['main', ...board.components],
    packages: [...PACKAGES, ...board.packages],
    kernelPackage: 'linux-image-arm64',
    unusedModules: UNUSED_MODULES,
    board,
    commandLine: distinct([
      ...consoles,
      ...['rootfstype=ext4', 'fsck.repair=yes', 'rootwait', 'panic=10', ...kernel.commandLine],
    ]),
    // What a profile asks for is there whether or not a board's firmware reads it: flashing looks for it.
    configText: distinct([...board.configText, ...(boot.configText ?? [])]),
    mountPoint: boot.mountPoint ?? '/boot/firmware',
    consoleLogin,
  };
}

function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
