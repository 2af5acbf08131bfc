/**
 * What the root file system holds beside its packages: mounts, network by DHCP on every wired and wireless
 * interface, and which services start. Nothing that must differ from card to card: no host keys, no machine id. Pure.
 */
import { type Layout, partitionUuid } from './layout.js';
import type { Recipe } from './recipe.js';

export interface RootFiles {
  /** Path → text. */
  readonly files: Readonly<Record<string, string>>;
  /** Path → target. */
  readonly links: Readonly<Record<string, string>>;
  /** Paths, with '*' for what differs. */
  readonly removed: readonly string[];
  readonly directories: readonly string[];
}

const UNITS = '/lib/systemd/system';
const ETC_UNITS = 'etc/systemd/system';

const network = (match: string, metric: number) => `[Match]
Name=${match}

[Network]
DHCP=yes
MulticastDNS=yes

[DHCPv4]
ClientIdentifier=mac
RouteMetric=${metric}

[IPv6AcceptRA]
RouteMetric=${metric}
`;

const FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'covey\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n127.0.1.1\tcovey\n::1\tlocalhost ip6-localhost ip6-loopback\n',
  'etc/default/locale': 'LANG=C.UTF-8\n',
  'etc/machine-id': '',
  'etc/systemd/network/80-wired.network': network('en* eth* usb*', 100),
  'etc/systemd/network/80-wireless.network': network('wl*', 600),
  // One interface that is up is enough: a board has two and mostly uses one.
  [`${ETC_UNITS}/systemd-networkd-wait-online.service.d/any.conf`]:
    '[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60\n',
  // Every card makes its own keys when it first needs them.
  [`${ETC_UNITS}/ssh.service.d/host-keys.conf`]:
    '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n',
};

const LINKS: Readonly<Record<string, string>> = {
  'etc/resolv.conf': '../run/systemd/resolve/stub-resolv.conf',
  [`${ETC_UNITS}/multi-user.target.wants/systemd-networkd.service`]: `${UNITS}/systemd-networkd.service`,
  [`${ETC_UNITS}/sockets.target.wants/systemd-networkd.socket`]: `${UNITS}/systemd-networkd.socket`,
  [`${ETC_UNITS}/network-online.target.wants/systemd-networkd-wait-online.service`]: `${UNITS}/systemd-networkd-wait-online.service`,
  [`${ETC_UNITS}/dbus-org.freedesktop.network1.service`]: `${UNITS}/systemd-networkd.service`,
};

const REMOVED = [
  'etc/ssh/ssh_host_*',
  'var/lib/dbus/machine-id',
  'var/lib/systemd/random-seed',
  'etc/.resolv.conf.systemd-resolved.bak',
  // Listening is what flashing asks for, with the keys that may log in.
  `${ETC_UNITS}/multi-user.target.wants/ssh.service`,
  `${ETC_UNITS}/sshd.service`,
  // Wireless networks are a service for each interface.
  `${ETC_UNITS}/multi-user.target.wants/wpa_supplicant.service`,
  // Nobody asked a board on a metered line to download package lists twice a day.
  `${ETC_UNITS}/timers.target.wants/apt-daily*.timer`,
  `${ETC_UNITS}/timers.target.wants/dpkg-db-backup.timer`,
  `${ETC_UNITS}/timers.target.wants/e2scrub_all.timer`,
  `${ETC_UNITS}/multi-user.target.wants/e2scrub_reap.service`,
];

const BOOT_MOUNT_OPTIONS =
  'defaults,nofail,x-systemd.before=local-fs.target,x-systemd.device-timeout=30s,umask=0077';

/** `layout` need not have its sizes yet. */
export function planRootFiles(recipe: Pick<Recipe, 'mountPoint'>, layout: Pick<Layout, 'diskId'>): RootFiles {
  const fstab = [
    `PARTUUID=${partitionUuid(layout, 2)} / ext4 defaults,noatime 0 1`,
    // Claims lie there: for root only. A board whose boot partition is broken still starts, but one that is only
    // slow waits for it: the first boot is run from there.
    `PARTUUID=${partitionUuid(layout, 1)} ${recipe.mountPoint} vfat ${BOOT_MOUNT_OPTIONS} 0 2`,
    '',
  ].join('\n');
  return {
    files: { ...FILES, 'etc/fstab': fstab },
    links: LINKS,
    removed: REMOVED,
    directories: [recipe.mountPoint.slice(1)],
  };
}

/** Text of cmdline.txt. The last console is the one that the system's own messages go to. */
export function commandLine(recipe: Pick<Recipe, 'commandLine'>, layout: Pick<Layout, 'diskId'>): string {
  return `root=PARTUUID=${partitionUuid(layout, 2)} ${recipe.commandLine.join(' ')}\n`;
}
