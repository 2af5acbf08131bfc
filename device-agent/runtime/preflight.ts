/** What this machine lacks to run containers, each with the one command that brings it. */
import { readFile } from 'node:fs/promises';
import { cgroupLayout } from '../cgroups/create-cgroups.js';
import { orMissing } from '../lib/errno.js';
import { findPlugin } from '../network/cni.js';
import { findProgram } from './oci-runtime.js';

export interface Finding {
  /** What was looked at, in one word. */
  readonly check: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** What to type; undefined where no command helps. */
  readonly fix?: string;
}

export interface PreflightOptions {
  readonly cgroupRoot?: string;
  readonly cniPath?: readonly string[];
  readonly uid?: number;
  /** Finds a program; PATH and the system directories unless given. */
  readonly find?: (name: string) => Promise<string | undefined>;
}

/** Program → Debian package. */
const PROGRAMS: ReadonlyArray<readonly [program: string, debianPackage: string]> = [
  ['conmon', 'conmon'],
  ['ip', 'iproute2'],
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['mount', 'mount'],
];
const PLUGINS = ['bridge', 'host-local', 'loopback'];

/** Empty when everything is there. Errors keep containers from running; warnings name what will not work. */
export async function preflight(options: PreflightOptions = {}): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const find = options.find ?? findProgram;
  const root = options.cgroupRoot ?? '/sys/fs/cgroup';
  if ((options.uid ?? process.getuid?.()) !== 0)
    findings.push({
      check: 'root',
      severity: 'error',
      message: 'containers need root; run as root or use hollow devices',
    });
  const layout = await cgroupLayout(root);
  const packages = new Set<string>();
  for (const [program, debianPackage] of PROGRAMS) {
    if ((await find(program)) === undefined) packages.add(debianPackage);
  }
  // Kernels with the older tables only are served by iptables.
  if ((await find('nft')) === undefined && (await find('iptables')) === undefined) packages.add('nftables');
  const crun = await find('crun');
  const runc = await find('runc');
  if (runc === undefined && (layout === 'v1' || crun === undefined))
    packages.add(layout === 'v1' ? 'runc' : 'crun');
  const plugins = await Promise.all(
    PLUGINS.map((plugin) => findPlugin(options.cniPath ?? ['/usr/lib/cni', '/opt/cni/bin'], plugin)),
  );
  if (plugins.includes(undefined)) packages.add('containernetworking-plugins');
  if (packages.size > 0) {
    const names = [...packages].join(' ');
    findings.push({
      check: 'packages',
      severity: 'error',
      message: `not installed: ${names}`,
      fix: `apt-get install -y --no-install-recommends ${names}`,
    });
  }
  findings.push(...(await kernelFindings(root, layout)));
  return findings;
}

async function kernelFindings(root: string, layout: 'v1' | 'v2' | undefined): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (layout === undefined)
    findings.push({
      check: 'cgroups',
      severity: 'error',
      message: `no control groups are mounted at ${root}`,
      fix: `mount -t cgroup2 cgroup2 ${root}`,
    });
  const controllers = layout === 'v2' ? await readFile(`${root}/cgroup.controllers`, 'utf8') : undefined;
  const memory =
    layout === 'v2' ? controllers?.split(/\s+/).includes('memory') : await exists(`${root}/memory`);
  if (layout !== undefined && !memory)
    findings.push({
      check: 'memory-cgroup',
      severity: 'warning',
      message:
        'the kernel offers no memory controller, so memory limits cannot be enforced: put cgroup_enable=memory into /boot/firmware/cmdline.txt and reboot',
      fix: "sed -i '1s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && reboot",
    });
  const filesystems = (await orMissing(readFile('/proc/filesystems', 'utf8'))) ?? '';
  if (!/\boverlay\b/.test(filesystems))
    findings.push({
      check: 'overlayfs',
      severity: 'warning',
      message: 'the kernel has not loaded overlayfs; the first mount loads it where it is a module',
      fix: 'modprobe overlay',
    });
  return findings;
}

async function exists(path: string): Promise<boolean> {
  return (await orMissing(readFile(`${path}/cgroup.procs`))) !== undefined;
}
