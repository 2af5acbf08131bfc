/**
 * The first file system of the kernel: a static busybox, the drivers of the disk, and an `init` that waits for the
 * root partition, mounts it read-only (its system checks it and makes it writable) and starts the system there.
 * Without a root it says which disks it sees and starts again, so that a slow or loose card gets another chance.
 */
import { gzipSync } from 'node:zlib';
import { type CpioEntry, cpio } from './cpio.js';

const DIRECTORY = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;
const CHARACTER_DEVICE = 0o020600;

export interface InitramfsInput {
  /** For arm64, static. */
  readonly busybox: Uint8Array;
  /** In load order. */
  readonly modules: readonly { readonly name: string; readonly data: Uint8Array }[];
  /** Seconds since the epoch. */
  readonly time: number;
}

/** Compressed, as the boot loader gives it to the kernel. */
export function initramfs({ busybox, modules, time }: InitramfsInput): Buffer {
  const order = modules.map(({ name }) => `${name}.ko\n`).join('');
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'modules', 'proc', 'root', 'sys'].map((path) => ({ path, mode: DIRECTORY })),
    { path: 'dev/console', mode: CHARACTER_DEVICE, device: [5, 1] },
    { path: 'bin/busybox', mode: PROGRAM, data: busybox },
    { path: 'init', mode: PROGRAM, data: Buffer.from(INIT) },
    ...modules.map(({ name, data }) => ({ path: `modules/${name}.ko`, mode: FILE, data })),
    { path: 'modules/order', mode: FILE, data: Buffer.from(order) },
  ];
  return gzipSync(cpio(entries, time), { level: 9 });
}

/** Partitions are named by the disk's signature, which stands at byte 440 of an MBR, and their number. */
export const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys

wanted= init=/sbin/init
for word in $(cat /proc/cmdline); do
  case $word in
  root=*) wanted=\${word#root=} ;;
  init=*) init=\${word#init=} ;;
  esac
done

# A driver of hardware that this board does not have may refuse; the root's absence is what tells.
while read -r module; do insmod "/modules/$module" 2>/dev/null; done </modules/order

find_root() {
  case $wanted in
  PARTUUID=*-*) ;;
  *) [ -b "$wanted" ] && echo "$wanted"; return ;;
  esac
  id=\${wanted#PARTUUID=}
  for entry in /sys/class/block/*/partition; do
    [ -e "$entry" ] || continue
    partition=\${entry%/partition}
    disk=$(readlink -f "$partition/..")
    signature=$(od -An -tx4 -j440 -N4 "/dev/\${disk##*/}" 2>/dev/null | tr -d ' ')
    if [ "$signature-$(printf %02x "$(cat "$entry")")" = "$id" ]; then
      echo "/dev/\${partition##*/}"
      return
    fi
  done
}

tries=0
until root=$(find_root) && [ -n "$root" ] && mount -t ext4 -o ro "$root" /root; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ]; then
    echo "initramfs: no root file system on $wanted; the disks are:"
    cat /proc/partitions
    sleep 10
    reboot -f
  fi
  sleep 0.2
done
umount /proc /sys
mount --move /dev /root/dev
exec switch_root /root "$init" "$@"
`;
