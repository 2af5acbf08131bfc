/**
 * What Debian's arm64 kernel needs on each kind of board that it starts on, by the device tree's `compatible`. A
 * board that is not listed, or of which a part that a device cannot do without has no driver there, is refused
 * with the reason and another way.
 *
 * Sources: device trees and configuration of Debian 12's linux-image-arm64 (6.1); the package raspi-firmware and its
 * hook z50-raspi-firmware, which prepares Debian's own Raspberry Pi images; raspi.debian.net, "Frequently asked
 * questions", for the Raspberry Pi 5.
 */
import { BuildError } from './build-error.js';

export interface Board {
  /** Debian packages beside those of every image. */
  readonly packages: readonly string[];
  /** Packages of which only files are taken: the hooks that they install would act on the building machine's kernel. */
  readonly firmwarePackage: string | undefined;
  /** Of Debian's archive, beside main. */
  readonly components: readonly string[];
  /** Kernel modules that reach the root file system; those that they depend on come by themselves. */
  readonly bootModules: readonly string[];
  /** Below /usr/lib/linux-image-<version>/. */
  readonly deviceTrees: readonly string[];
  /** Where the kernel's messages go besides the screen, by the name that Debian's kernel gives the port. */
  readonly serialConsole: string;
  /** Lines of config.txt; none where no firmware reads it. */
  readonly configText: readonly string[];
}

const VIRT: Board = {
  packages: [],
  firmwarePackage: undefined,
  components: [],
  bootModules: ['virtio_mmio', 'virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'nvme'],
  deviceTrees: [],
  serialConsole: 'ttyAMA0,115200',
  configText: [],
};

const raspberryPi = (...trees: readonly string[]): Board => ({
  packages: ['wpasupplicant', 'wireless-regdb', 'firmware-brcm80211'],
  firmwarePackage: 'raspi-firmware',
  components: ['non-free-firmware'],
  // The card, eMMC, and disks on USB; virtio lets the same image start in an emulator.
  bootModules: [
    ...['bcm2835', 'sdhci_iproc', 'fixed', 'gpio_regulator', 'phy_generic', 'dwc2', 'reset_raspberrypi'],
    ...['xhci_pci', 'usb_storage', 'uas', 'sd_mod', 'virtio_mmio', 'virtio_pci', 'virtio_blk'],
  ],
  deviceTrees: trees.map((name) => `broadcom/${name}.dtb`),
  serialConsole: 'ttyS1,115200',
  configText: [
    ...['arm_64bit=1', 'enable_uart=1', 'upstream_kernel=1'],
    ...['kernel=kernel8.img', 'initramfs initramfs8 followkernel'],
  ],
});

const PI_3 = raspberryPi('bcm2837-rpi-3-a-plus', 'bcm2837-rpi-3-b', 'bcm2837-rpi-3-b-plus');
const PI_ZERO_2 = raspberryPi('bcm2837-rpi-zero-2-w');
const PI_4 = raspberryPi('bcm2711-rpi-4-b', 'bcm2711-rpi-400');
const PI_CM4 = raspberryPi('bcm2711-rpi-cm4-io');

const BOARDS: Readonly<Record<string, Board>> = {
  'linux,dummy-virt': VIRT,
  'raspberrypi,3-model-b': PI_3,
  'raspberrypi,3-model-b-plus': PI_3,
  'raspberrypi,3-model-a-plus': PI_3,
  'raspberrypi,model-zero-2-w': PI_ZERO_2,
  'raspberrypi,4-model-b': PI_4,
  'raspberrypi,400': PI_4,
  'raspberrypi,4-compute-module': PI_CM4,
};

/** Boards that people will ask for, with the reason why not. */
const REFUSED: Readonly<Record<string, string>> = {
  'raspberrypi,5-model-b':
    "Debian's kernel has no driver for the Raspberry Pi 5's I/O chip (network, USB, pins)",
  'raspberrypi,5-compute-module':
    "Debian's kernel has no driver for the Compute Module 5's I/O chip (network, USB, pins)",
};

/** The board of a profile's `compatible` list. Throws BuildError for one that no image can be built for. */
export function boardOf(profile: string, compatible: readonly string[]): Board {
  for (const entry of compatible) {
    const board = Object.hasOwn(BOARDS, entry) ? BOARDS[entry] : undefined;
    if (board !== undefined) return board;
  }
  const [reason] = compatible.flatMap((entry) => (Object.hasOwn(REFUSED, entry) ? [REFUSED[entry]] : []));
  throw new BuildError(
    `no image can be built for profile ${profile}: ` +
      `${reason ?? "it is not known how its boot loader starts Debian's kernel"}. ` +
      "Flash the board maker's image instead: --image FILE",
  );
}
