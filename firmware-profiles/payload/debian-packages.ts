/**
 * The Debian packages for arm64 that running containers needs and that a board's system may lack, with their
 * dependencies down to what every Debian system has. apt downloads and checks them in a directory of its own:
 * without root, and without touching this machine's packages. First boot installs those that are missing.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CardError } from '../card-error.js';
import { DEBIAN_KEYRING, onlyFrom, openAptDirectory, versionInName } from '../lib/apt.js';
import { ProgramError, programText } from '../lib/program.js';

/** What the agent runs: device-agent/runtime and device-agent/network. */
export const BOARD_PACKAGES = [
  'conmon',
  'crun',
  'containernetworking-plugins',
  'nftables',
  // Where a board's kernel cannot lead ports to pods by nftables (no nft_nat, nft_fib): vendors' kernels, small ones.
  'iptables',
  'conntrack',
  'iproute2',
  // kubectl attach and run with input.
  'socat',
];
/** What every system that Covey is flashed to has, besides what Debian requires of all. */
const ASSUMED = ['apt', 'systemd', 'systemd-sysv', 'udev', 'dbus'];

const NO_APT =
  'Debian packages for the board are downloaded by apt, which is not on this machine: build the payload on Debian, ' +
  'Ubuntu or Raspberry Pi OS (covey flash does it) and give it here with --payload FILE';

export interface DebianOptions {
  /** For apt's lists, records and downloads. Nobody else's while it works: runs side by side have one each. */
  readonly directory: string;
  /** Release of Debian: bookworm, trixie. */
  readonly suite: string;
  readonly signal?: AbortSignal | undefined;
}

/** Paths of the packages, sorted by name. */
export async function debianPackages({
  directory,
  suite,
  signal,
}: DebianOptions): Promise<readonly string[]> {
  const { archives, status, sources: list, options } = await openAptDirectory(directory);
  const sources = await sourcesFor(suite, list, signal);
  const apt = (tool: 'apt-get' | 'apt-cache', ...args: readonly string[]) =>
    programText(tool, ['-q', ...options, ...sources, ...args], { missing: NO_APT, signal });
  await apt('apt-get', 'update').catch((error: unknown) => {
    if (!(error instanceof ProgramError && error.stderr.includes('does not have a Release file')))
      throw error;
    throw new CardError(
      `the mirror of Debian has no release "${suite}": name with --suite the one that the image is of, such as bookworm`,
      { cause: error },
    );
  });
  await writeFile(status, await assumedStatus(apt));
  const install = ['-y', '--no-install-recommends', 'install', ...BOARD_PACKAGES];
  await apt('apt-get', '--download-only', ...install);
  // Told by a simulation, which names those too that were downloaded before.
  const simulated = await apt('apt-get', '--simulate', ...install);
  const names = [...simulated.matchAll(/^Inst (\S+) \((\S+) .*\[(\S+)\]\)/gm)].map(
    ([, name = '', version = '', architecture = '']) =>
      `${name}_${versionInName(version)}_${architecture}.deb`,
  );
  if (names.length === 0) throw new CardError(`apt found no packages for arm64 in ${suite}`);
  return names.sort().map((name) => join(archives, name));
}

/** dpkg's records of a system that has what is assumed, and nothing else. */
async function assumedStatus(
  apt: (tool: 'apt-get' | 'apt-cache', ...args: readonly string[]) => Promise<string>,
): Promise<string> {
  const simulated = await apt(
    ...(['apt-get', '--simulate', '-y', '--no-install-recommends', 'install'] as const),
    ...['?essential', '?priority(required)', ...ASSUMED],
  );
  const names = [...simulated.matchAll(/^Inst (\S+) \((\S+) /gm)].map(
    ([, name, version]) => `${name}=${version}`,
  );
  const records = await apt('apt-cache', 'show', ...names);
  return records.replace(/^Package: .*$/gm, '$&\nStatus: install ok installed');
}

/** Options by which apt looks at the suite: this machine's own sources, or the same mirror's other release, put into `list`. */
async function sourcesFor(
  suite: string,
  list: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (system.includes(`VERSION_CODENAME=${suite}\n`) && /^ID=debian$/m.test(system)) return [];
  const targets = await programText(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'],
    { missing: NO_APT, signal },
  );
  const mirrors = new Map<string, string>();
  for (const line of targets.split('\n')) {
    const [address = '', release = ''] = line.split(' ');
    if (address.endsWith('/debian/')) mirrors.set(suite, address);
    else if (release.endsWith('-security')) mirrors.set(`${suite}-security`, address);
  }
  if (!mirrors.has(suite)) {
    throw new CardError(
      `this machine's apt knows no mirror of Debian, from which the packages for ${suite} come: build the payload on Debian and give it here with --payload FILE`,
    );
  }
  await writeFile(
    list,
    [...mirrors]
      .map(([release, address]) => `deb [signed-by=${DEBIAN_KEYRING}] ${address} ${release} main\n`)
      .join(''),
  );
  return onlyFrom(list);
}
