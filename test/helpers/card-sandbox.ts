/**
 * A board in a directory, for the scripts that run on one: a boot volume that the planner filled, a root file system,
 * and a PATH on which every program is watched. Programs that would reach beyond the directory (dpkg, resize2fs,
 * findmnt …) are stand-ins that keep what they did in the directory. Power can be cut before any program starts, and
 * in the middle of a removal; any program can fail as on a full or worn card.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { scriptPath } from '#firmware-profiles/card-files.js';
import { digestOf } from '#firmware-profiles/lib/digest.js';
import { writeArchive } from '#firmware-profiles/payload/archive.js';
import { planCard } from '#firmware-profiles/plan.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import type { CardSettings } from '#firmware-profiles/settings.js';

/** Whose awk, sed, tar … are on the board. The shell is dash, for busybox's would not look at PATH. */
export type Tools = 'gnu' | 'busybox';

const PROGRAMS =
  'awk cat chmod cp cut dd dirname find grep ln mkdir mv od readlink rm sed sha256sum sort tail tar touch tr uname wc'.split(
    ' ',
  );

/** Stand-ins; ROOT is in their environment. */
const STAND_INS: Readonly<Record<string, string>> = {
  sync: ':',
  rfkill: ':',
  ip: ':',
  getent: 'exit 2',
  // Of the machine that the test runs on, whose clock and disk are left alone.
  date: 'case "$1" in -s) exit 1 ;; esac; exec date "$@"',
  df: 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\\nx 1000000 0 900000 0%% /\\n"',
  mount: 'exit 1',
  findmnt: 'case "$*" in *FSTYPE*) echo ext4 ;; *) echo /dev/mmcblk0p2 ;; esac',
  resize2fs: 'echo "$1" >"$ROOT/resized"',
  partx: ':',
  sfdisk:
    'read -r line; case "$*" in *relocate*) ;; *) echo 61000000 >"$SYS/class/block/mmcblk0p2/size" ;; esac',
  'dpkg-deb': 'sed -n "s/^$3: //p" "$2"',
  'dpkg-query': `file="$ROOT/var/lib/dpkg/$4"
[ -f "$file" ] || exit 1
case "$3" in *Status*) printf 'install ok installed' ;; *) printf %s "$(cat "$file")" ;; esac`,
  dpkg: `case "$*" in
  *--compare-versions*) [ "$2" != "$4" ] && [ "$(printf '%s\\n%s\\n' "$2" "$4" | sort | sed -n 1p)" = "$2" ]; exit ;;
  *--configure*) exit 0 ;;
esac
for deb in "$@"; do
  case "$deb" in *.deb) ;; *) continue ;; esac
  [ -f "$deb" ] || { echo "dpkg: error: cannot access archive $deb"; exit 2; }
  [ -z "\${DPKG_REFUSES:-}" ] || { echo "dpkg: error processing $deb"; exit 1; }
  mkdir -p "$ROOT/var/lib/dpkg" && sed -n 's/^Version: //p' "$deb" >"$ROOT/var/lib/dpkg/$(sed -n 's/^Package: //p' "$deb")"
done`,
  modprobe: ':',
  nft: ':',
  systemctl: 'echo "$*" >>"$ROOT/systemctl"',
};

/** What goes wrong in a run: nothing unless given. */
export interface Mishap {
  /** Power is cut before that program starts; of a removal the last file is left. */
  readonly cutAt?: number;
  /** That program does nothing but fail. */
  readonly failAt?: number;
  /** Programs of this name alone are counted for it. */
  readonly of?: string;
  readonly env?: Record<string, string>;
}

export interface RunResult {
  readonly code: number | null;
  readonly output: string;
  /** Programs that were started, or begun to; those of one name where one was given. */
  readonly programs: number;
}

export class CardSandbox {
  readonly directory: string;
  readonly boot: string;
  readonly root: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.boot = join(directory, 'boot');
    this.root = join(directory, 'root');
  }

  /** A card as flashing leaves it, in a board that was never switched on. */
  static async create(
    directory: string,
    profile: FirmwareProfile,
    settings: CardSettings,
  ): Promise<CardSandbox> {
    const sandbox = new CardSandbox(directory);
    sandbox.#makeRoot();
    const payload = await sandbox.#makePayload();
    const commandLine = 'console=tty1 root=PARTUUID=1-02 rootwait\n';
    const steps = planCard({
      profile,
      settings,
      facts: {
        boot: {
          label: 'bootfs',
          files: new Map([
            ['cmdline.txt', commandLine],
            ['config.txt', ''],
          ]),
          freeBytes: 2 ** 30,
        },
      },
      payload,
      preload: [],
    });
    for (const step of steps) {
      // A directory has none.
      if (step.kind === 'label') continue;
      if (step.kind === 'remove') {
        rmSync(join(sandbox.boot, step.path), { recursive: true, force: true });
        continue;
      }
      if (step.kind !== 'write') throw new Error(`a step of kind ${step.kind} has no place here`);
      const path = join(sandbox.boot, step.path);
      mkdirSync(dirname(path), { recursive: true });
      if ('text' in step.content) writeFileSync(path, step.content.text);
      else copyFileSync(step.content.file, path);
    }
    return sandbox;
  }

  /** The same board in another directory. */
  copy(directory: string): CardSandbox {
    rmSync(directory, { recursive: true, force: true });
    cpSync(this.directory, directory, { recursive: true, verbatimSymlinks: true });
    return new CardSandbox(directory);
  }

  firstBoot(tools: Tools, mishap: Mishap = {}): Promise<RunResult> {
    return this.#run(tools, join(this.boot, 'covey/first-boot.sh'), [], mishap);
  }

  /** Runs what looks at the system before the agent, as it was installed. */
  preflight(tools: Tools, args: readonly string[] = [], mishap: Mishap = {}): Promise<RunResult> {
    return this.#run(tools, join(this.root, 'opt/covey/preflight'), args, mishap);
  }

  read(path: string): string {
    return readFileSync(join(this.directory, path), 'utf8');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.directory, path)), { recursive: true });
    writeFileSync(join(this.directory, path), text);
  }

  exists(path: string): boolean {
    return existsSync(join(this.directory, path));
  }

  /** What is on both volumes, but for the log, whose times differ. */
  tree(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const top of ['boot', 'root']) {
      for (const entry of readdirSync(join(this.directory, top), {
        recursive: true,
        encoding: 'utf8',
      }).sort()) {
        const path = join(this.directory, top, entry);
        const stat = lstatSync(path);
        if (entry === 'covey/log.txt' || stat.isDirectory()) continue;
        found[`${top}/${entry}`] = stat.isSymbolicLink()
          ? `-> ${readlinkSync(path)}`
          : `${top === 'root' ? (stat.mode & 0o777).toString(8) : ''} ${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12)}`;
      }
    }
    return found;
  }

  #run(
    tools: Tools,
    script: string,
    args: readonly string[],
    { cutAt = 0, failAt = 0, of = '', env = {} }: Mishap,
  ): Promise<RunResult> {
    const bin = this.#makePath(tools);
    const count = join(this.directory, 'count');
    writeFileSync(count, '');
    const child = spawn('/bin/dash', [script, ...args], {
      // A group of its own, which a power cut kills as a whole.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: bin,
        ROOT: this.root,
        SYS: join(this.directory, 'sys'),
        COUNT: count,
        CUT_AT: String(cutAt),
        FAIL_AT: String(failAt),
        COUNTED: of,
        OWN_PATH: bin,
        ...env,
      },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code, output, programs: readFileSync(count).length });
      });
    });
  }

  /** Every program counts itself, and stops everything when its turn to be cut off has come, or fails. */
  #makePath(tools: Tools): string {
    const bin = join(this.directory, `bin-${tools}`);
    if (existsSync(bin)) return bin;
    mkdirSync(bin);
    for (const name of PROGRAMS) {
      const real = tools === 'busybox' ? `busybox ${name}` : name;
      writeFileSync(join(bin, name), counted(name, `PATH=/usr/bin:/bin exec ${real} "$@"`));
    }
    for (const [name, body] of Object.entries(STAND_INS)) {
      writeFileSync(join(bin, name), counted(name, `PATH=/usr/bin:/bin\n${body}`));
    }
    for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755);
    return bin;
  }

  #makeRoot(): void {
    this.write('root/etc/hostname', 'raspberrypi\n');
    this.write('root/etc/hosts', '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n');
    this.write('root/etc/fstab', 'proc /proc proc defaults 0 0\nPARTUUID=1-02 / ext4 defaults 0 1\n');
    this.write('root/usr/lib/os-release', 'ID=debian\nVERSION_CODENAME=bookworm\n');
    this.write('root/etc/machine-id', `${'0'.repeat(32)}\n`);
    this.write('root/lib/systemd/system/ssh.service', '');
    this.write('root/usr/sbin/NetworkManager', '');
    this.write('root/root/.profile', '');
    // An image that asks for a user, made from a board that was a device of another card.
    const wants = join(this.root, 'etc/systemd/system/multi-user.target.wants');
    mkdirSync(wants, { recursive: true });
    symlinkSync('/lib/systemd/system/userconfig.service', join(wants, 'userconfig.service'));
    this.write('root/opt/covey/.payload', 'of another card\n');
    this.write('root/opt/covey/launch', '#!/bin/sh\n# of another card\n');
    for (const name of ['card', 'network', 'machine-id', 'done'])
      this.write(`root/var/lib/covey/first-boot/${name}`, 'of another card\n');
    this.write('root/var/lib/covey/first-boot/packages', 'of-another-card_1_arm64.deb\n');
    this.write('root/proc/filesystems', 'nodev\toverlay\n');
    this.write('root/sys/fs/cgroup/cgroup.controllers', 'cpu memory pids\n');
    for (const module of ['bridge', 'veth', 'nf_tables'])
      mkdirSync(join(this.root, 'sys/module', module), { recursive: true });
    mkdirSync(join(this.root, 'sys/class/net/eth0/device'), { recursive: true });
    const disk = 'sys/devices/mmcblk0';
    this.write(`${disk}/size`, '62000000\n');
    const partition = (number: number, start: number, size: number) => {
      const own = `${disk}/mmcblk0p${number}`;
      for (const [name, value] of Object.entries({ partition: number, start, size }))
        this.write(`${own}/${name}`, `${value}\n`);
      mkdirSync(join(this.directory, 'sys/class/block'), { recursive: true });
      symlinkSync(
        `../../devices/mmcblk0/mmcblk0p${number}`,
        join(this.directory, `sys/class/block/mmcblk0p${number}`),
      );
    };
    partition(1, 8192, 1_048_576);
    partition(2, 1_056_768, 4_000_000);
  }

  async #makePayload(): Promise<{ file: string; sha256: string; bytes: number }> {
    const file = join(this.directory, 'payload.tar.gz');
    const deb = (name: string, version: string) => ({
      path: `debs/${name}_${version}_arm64.deb`,
      text: `Package: ${name}\nVersion: ${version}\n`,
      mode: 0o644,
    });
    const units = ['covey-agent.service', 'covey-preflight.service', 'covey-network-check.timer'];
    await writeArchive(file, [
      { path: 'current', target: 'releases/0.1.0' },
      { path: 'launch', text: '#!/bin/sh\n', mode: 0o755 },
      { path: 'preflight', file: scriptPath('preflight.sh'), mode: 0o755 },
      { path: 'common.sh', file: scriptPath('common.sh'), mode: 0o644 },
      ...units.map((name) => ({ path: `units/${name}`, file: scriptPath(`units/${name}`), mode: 0o644 })),
      { path: 'debs/suite', text: 'bookworm\n', mode: 0o644 },
      ...[deb('conmon', '2'), deb('crun', '1'), deb('iproute2', '6')],
      { path: 'releases/0.1.0/device-agent/main.js', text: '', mode: 0o644 },
    ]);
    // Here already: one newer than the card's, one as it is.
    this.write('root/var/lib/dpkg/iproute2', '7');
    return { file, sha256: await digestOf(file), bytes: readFileSync(file).length };
  }
}

/** A removal is cut off where it hurts: in the middle. */
const HALF_REMOVED =
  'for last; do :; done; [ ! -d "$last" ] || /usr/bin/find "$last" -type f | /usr/bin/sed 1d | /usr/bin/xargs -r /usr/bin/rm';

function counted(name: string, body: string): string {
  return [
    '#!/bin/dash',
    `if [ "\${COUNTED:-${name}}" = ${name} ]; then`,
    // Appended to, so that two programs of a pipeline do not count as one, nor as none.
    '  printf . >>"$COUNT"',
    '  count=$(/usr/bin/wc -c <"$COUNT")',
    '  [ "$FAIL_AT" != "$count" ] || exit 1',
    `  if [ "$CUT_AT" != 0 ] && [ "$count" -ge "$CUT_AT" ]; then${name === 'rm' ? ` ${HALF_REMOVED};` : ''} kill -9 0; fi`,
    'fi',
    body,
    '',
  ].join('\n');
}
