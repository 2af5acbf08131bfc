/**
 * Makes a fresh clone ready and hands over: `node hub/cli/setup.mjs start|test|test:device|bench|build [args]`. Runs
 * before anything is installed or compiled, so it is plain JavaScript on Node's own modules. Every step is
 * skipped when its result is already there; each says what it does. As root it also installs missing Debian
 * packages; otherwise it names the one command that would.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MINIMUM_NODE = [20, 19];

/** What running real containers needs: a file that shows it is there → its Debian package. */
const RUNTIME_PACKAGES = [
  { package: 'conmon', anyOf: ['conmon'] },
  { package: 'crun', anyOf: ['crun'] },
  { package: 'runc', anyOf: ['runc'] },
  { package: 'containernetworking-plugins', anyOf: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'] },
  { package: 'iproute2', anyOf: ['ip'] },
  { package: 'nftables', anyOf: ['nft'] },
  { package: 'conntrack', anyOf: ['conntrack'] },
  { package: 'socat', anyOf: ['socat'] },
  { package: 'busybox-static', anyOf: ['busybox'] },
];
/** What the tests use besides. */
const TEST_PACKAGES = [
  { package: 'iptables', anyOf: ['iptables-legacy'] },
  { package: 'mosquitto', anyOf: ['mosquitto'] },
  { package: 'docker-registry', anyOf: ['docker-registry'] },
  { package: 'skopeo', anyOf: ['skopeo'] },
  { package: 'openssl', anyOf: ['openssl'] },
  { package: 'zstd', anyOf: ['zstd'] },
  {
    package: 'libfaketime',
    anyOf: ['x86_64', 'aarch64'].map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`),
  },
];
/** What an arm64 device in an emulator needs. */
const DEVICE_TEST_PACKAGES = [
  { package: 'qemu-system-arm', anyOf: ['qemu-system-aarch64'] },
  { package: 'qemu-efi-aarch64', anyOf: ['/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'] },
  { package: 'mtools', anyOf: ['mcopy'] },
  { package: 'zstd', anyOf: ['zstd'] },
  { package: 'e2fsprogs', anyOf: ['mke2fs'] },
  // 1.20 in Debian 12, which all that the device tests use of kubectl works with.
  { package: 'kubernetes-client', anyOf: ['kubectl'] },
  // Building a base image.
  { package: 'mmdebstrap', anyOf: ['mmdebstrap'] },
  { package: 'arch-test', anyOf: ['arch-test'] },
  { package: 'qemu-user-static', anyOf: ['qemu-aarch64-static'] },
  { package: 'dosfstools', anyOf: ['mkfs.vfat'] },
  { package: 'fdisk', anyOf: ['sfdisk'] },
  { package: 'kmod', anyOf: ['depmod'] },
];
/** Task → the compiled program that it hands over to, and the Debian packages that this one uses. */
const TASKS = {
  start: { entry: 'hub/cli/main.js', packages: RUNTIME_PACKAGES },
  test: { entry: 'test/run.js', packages: [...RUNTIME_PACKAGES, ...TEST_PACKAGES] },
  'test:device': { entry: 'test/device/run.js', packages: DEVICE_TEST_PACKAGES },
  bench: { entry: 'test/bench/run.js', packages: RUNTIME_PACKAGES },
  build: { entry: undefined, packages: [] },
};

function say(message) {
  process.stderr.write(`covey: ${message}\n`);
}

function fail(message) {
  say(message);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`);
  return result.status ?? 1;
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(`Node.js ${MINIMUM_NODE.join('.')} or newer is needed; this is ${process.versions.node}`);
}

/** A program in PATH, or a file by its path. */
function isThere(name) {
  const mode = name.startsWith('/') ? constants.R_OK : constants.X_OK;
  const places = name.startsWith('/')
    ? [name]
    : [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].map((directory) =>
        join(directory, name),
      );
  return places.some((path) => {
    try {
      accessSync(path, mode);
      return true;
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'EACCES' || error.code === 'ENOTDIR') return false;
      throw error;
    }
  });
}

/** Installs npm packages when the lock file has changed since the last time. */
function installNpmPackages() {
  const stamp = join(ROOT, 'node_modules', '.covey-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .update(process.versions.modules)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing npm packages (once) …');
  // Native add-ons come as prebuilt binaries inside their packages: no install script has to run.
  const status = run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) fail('npm ci failed; see above. It needs the npm registry once.');
  writeFileSync(stamp, wanted);
}

/** Installs missing Debian packages as root; names the command otherwise. Never fatal: what lacks them says so. */
function installDebianPackages(wanted) {
  if (process.platform !== 'linux') return;
  const missing = wanted.filter(({ anyOf }) => !anyOf.some(isThere)).map((entry) => entry.package);
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !isThere('apt-get')) {
    const why = isRoot ? 'apt-get is not here' : 'not root';
    say(
      `missing for real containers (${why}): run  apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    );
    return;
  }
  say(`installing Debian packages (once): ${missing.join(' ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = ['-qq', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=120'];
  const install = () =>
    run('apt-get', [...quiet, 'install', '-y', '--no-install-recommends', ...missing], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  if (run('apt-get', [...quiet, 'update'], { env, stdio: ['ignore', 'ignore', 'inherit'] }) !== 0) {
    say('apt-get update failed; trying with the package lists at hand');
  }
  if (install() !== 0) say(`apt-get could not install ${missing.join(' ')}; what needs them will say so`);
}

function build() {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  say('building …');
  const status = run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', ROOT]);
  if (status !== 0) fail('the build failed; see above');
  bundleAgent();
}

/** One file instead of hundreds of modules for the agent; it runs without, but needs more memory. */
function bundleAgent() {
  if (!existsSync(join(ROOT, 'node_modules', 'esbuild'))) return say('no esbuild: the agent is not bundled');
  if (run(process.execPath, [join(ROOT, 'device-agent', 'bundle.mjs')]) !== 0)
    fail('the agent could not be bundled');
}

async function main() {
  const [name = '', ...rest] = process.argv.slice(2);
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (task === undefined) {
    say(`usage: node hub/cli/setup.mjs ${Object.keys(TASKS).join('|')} [arguments]; not "${name}"`);
    process.exit(2);
  }
  checkNode();
  installNpmPackages();
  installDebianPackages(task.packages);
  build();
  if (task.entry === undefined) return;
  const path = join(ROOT, 'dist', task.entry);
  process.argv = [process.execPath, path, ...(name === 'start' ? ['up'] : []), ...rest];
  await import(path);
}

await main();
