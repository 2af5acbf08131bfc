/**
 * An image as Debian's `generic` cloud image for arm64 is, from Debian's packages: GPT with the root in partition 1 and
 * the EFI system partition in 15, GRUB, cloud-init, netplan with systemd-networkd. What differs: the initramfs is
 * Covey's small one, so that GRUB's menu names the disk instead of its id; root logs in on the console; and there are
 * wpa_supplicant, which Ubuntu's images have, and a simulated radio with an access point (see `air.ts`).
 *
 * Sources: Debian's cloud-team/debian-cloud-images, config_space/12: hooks/partition.ARM64, files/etc/fstab/AMD64,
 * package_config/{SYSTEM_BOOT,CLOUD,GENERIC,ARM64}, files/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg/DEBIAN.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Archive } from '#firmware-profiles/build/archive.js';
import { uuidOf, writeExt4, writeFat } from '#firmware-profiles/build/assemble.js';
import { bootstrap } from '#firmware-profiles/build/bootstrap.js';
import { fillRoot } from '#firmware-profiles/build/fill-root.js';
import { initramfs } from '#firmware-profiles/build/initramfs.js';
import { keptImage } from '#firmware-profiles/build/kept-images.js';
import { moveModules, unpackKernel } from '#firmware-profiles/build/kernel.js';
import { planRecipe, type Recipe } from '#firmware-profiles/build/recipe.js';
import type { RootFiles } from '#firmware-profiles/build/root-files.js';
import { SECTOR_BYTES } from '#firmware-profiles/image/partition.js';
import { runProgram } from '#firmware-profiles/lib/program.js';
import { loadProfiles } from '#firmware-profiles/load.js';
import { AIR_FILES, AIR_LINKS } from './air.js';
import { DEVICE_CACHE } from './base-image.js';

/** Raised when the same recipe gives another image. */
const FORMAT = 1;
const IMAGE_BYTES = 2 ** 31;
const ESP = { startBytes: 2048 * SECTOR_BYTES, sizeBytes: 260_096 * SECTOR_BYTES };
const ROOT = {
  startBytes: 262_144 * SECTOR_BYTES,
  // A mebibyte is left at the end, for the second partition table.
  sizeBytes: IMAGE_BYTES - 262_144 * SECTOR_BYTES - 2 ** 20,
};
const ROOT_UUID = uuidOf('cloud root');
const ROOT_PARTUUID = uuidOf('cloud root partition');
const ESP_PARTUUID = uuidOf('cloud EFI partition');
const GRUB_PACKAGE = 'grub-efi-arm64-bin';

const PACKAGES = [
  ...[
    'systemd',
    'systemd-sysv',
    'systemd-resolved',
    'systemd-timesyncd',
    'libpam-systemd',
    'dbus',
    'udev',
    'kmod',
  ],
  ...['netbase', 'netplan.io', 'cloud-init', 'cloud-guest-utils', 'openssh-server', 'sudo', 'iputils-ping'],
  ...['fdisk', 'e2fsprogs', 'dosfstools'],
  // Not in Debian's: the initramfs and the image of the test's pods, and Wi-Fi.
  ...['busybox-static', 'wpasupplicant', 'hostapd', 'iw', 'wireless-regdb'],
];

const UNITS = 'etc/systemd/system';
const ROOT_FILES: RootFiles = {
  files: {
    'etc/fstab':
      `PARTUUID=${ROOT_PARTUUID} / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\n` +
      `PARTUUID=${ESP_PARTUUID} /boot/efi vfat defaults 0 0\n`,
    'etc/default/locale': 'LANG=C.UTF-8\n',
    'etc/hostname': '',
    'etc/machine-id': '',
    'etc/cloud/cloud.cfg.d/01_debian_cloud.cfg': 'apt:\n  generate_mirrorlists: true\n',
    'boot/grub/grub.cfg':
      `search --no-floppy --fs-uuid --set=root ${ROOT_UUID}\n` +
      'linux /boot/vmlinuz root=/dev/vda1 ro\ninitrd /boot/initrd.img\nboot\n',
    ...AIR_FILES,
  },
  links: {
    'etc/resolv.conf': '/run/systemd/resolve/resolv.conf',
    [`${UNITS}/multi-user.target.wants/systemd-networkd.service`]:
      '/lib/systemd/system/systemd-networkd.service',
    [`${UNITS}/network-online.target.wants/systemd-networkd-wait-online.service`]:
      '/lib/systemd/system/systemd-networkd-wait-online.service',
    ...AIR_LINKS,
  },
  removed: ['etc/ssh/ssh_host_*', 'var/lib/dbus/machine-id', 'etc/.resolv.conf.systemd-resolved.bak'],
  directories: ['boot/efi'],
};

const PARTITIONS = `label: gpt
unit: sectors

p15 : start=${ESP.startBytes / SECTOR_BYTES}, size=${ESP.sizeBytes / SECTOR_BYTES}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${ESP_PARTUUID}
p1 : start=${ROOT.startBytes / SECTOR_BYTES}, size=${ROOT.sizeBytes / SECTOR_BYTES}, type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE, uuid=${ROOT_PARTUUID}
`;

/** Path of the image; nobody may write to it. Minutes the first time, then it is kept. */
export async function cloudImage(): Promise<string> {
  const [profile] = (await loadProfiles()).filter(({ metadata }) => metadata.name === 'qemu-virt-arm64');
  if (profile === undefined) throw new Error('no profile for the virtual machine, whose drivers are needed');
  const recipe: Recipe = { ...planRecipe({ profile, consoleLogin: true }), packages: PACKAGES };
  const directory = join(DEVICE_CACHE, 'built-images');
  const key = createHash('sha256')
    .update(JSON.stringify([FORMAT, recipe, ROOT_FILES, PARTITIONS]))
    .digest('hex')
    .slice(0, 16);
  const { path } = await keptImage({
    directory,
    name: `cloud-arm64-${key}`,
    build: (work) => build(recipe, join(directory, recipe.suite), work),
  });
  return path;
}

async function build(recipe: Recipe, archiveDirectory: string, work: string): Promise<void> {
  const say = (line: string) => process.stderr.write(`cloud image: ${line}\n`);
  const at = (name: string) => join(work, name);
  const command = {};
  const archive = await Archive.open(archiveDirectory, recipe.suite, recipe.components, command);
  const { time } = archive;
  const kernelName = await archive.dependencyOf(recipe.kernelPackage, 'linux-image-');
  const debs = await archive.download([kernelName, GRUB_PACKAGE]);
  for (const name of [
    'kernel',
    'grub',
    'esp/EFI/BOOT',
    'esp/EFI/debian',
    'staged/usr/lib/modules',
    'staged/boot',
  ])
    await mkdir(at(name), { recursive: true });
  const kernel = await unpackKernel(recipe, debs.get(kernelName) ?? '', at('kernel'), command);
  await moveModules(kernel, at('staged/usr/lib/modules'));
  await copyFile(kernel.image, at('staged/boot/vmlinuz'));
  await runProgram('dpkg-deb', ['-x', debs.get(GRUB_PACKAGE) ?? '', at('grub')], command);
  await copyFile(at('grub/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi'), at('esp/EFI/BOOT/BOOTAA64.EFI'));
  await writeFile(
    at('esp/EFI/debian/grub.cfg'),
    `search.fs_uuid ${ROOT_UUID} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n`,
  );

  say(`installing ${recipe.packages.length} packages and what they need`);
  const began = performance.now();
  await bootstrap(recipe, archive, at('root'), command);
  say(`installed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const busybox = await readFile(at('root/usr/bin/busybox'));
  await writeFile(at('staged/boot/initrd.img'), initramfs({ busybox, modules: kernel.bootModules, time }));
  const { consoleLogin } = recipe;
  await fillRoot({ root: at('root'), staged: at('staged'), files: ROOT_FILES, consoleLogin, time, command });

  await writeFile(at('image'), '');
  await truncate(at('image'), IMAGE_BYTES);
  const file = at('image');
  await writeFat({ file, extent: ESP, directory: at('esp'), time, command }, ['-F', '16']);
  await writeExt4(
    { file, extent: ROOT, directory: at('root'), time, command },
    { label: 'root', uuid: ROOT_UUID },
  );
  await runProgram('sfdisk', ['-q', '--no-reread', '--no-tell-kernel', file], {
    ...command,
    input: PARTITIONS,
  });
}
