/**
 * Releases of the agent to publish in tests: a thin one that runs the agent as it was compiled here, or a real one
 * (`stageAgentRelease`) that is broken on purpose; each way of breaking is one that a device has to come back from.
 */
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LAUNCHER, stageAgentRelease } from '#firmware-profiles/payload/agent-release.js';
import { defaultCache } from '#firmware-profiles/payload/build-payload.js';
import { openReleaseKey } from '#hub/authn/pki/release-key.js';
import { agentMain } from '#hub/cli/programs.js';
import { type BuiltArchive, buildArchive } from '#hub/cli/release/build.js';
import { type Publication, publishRelease } from '#hub/cli/release/publish.js';
import type { Credentials } from '#hub/lib/https-client.js';
import type { AgentRelease, ReleaseArchitecture } from '#protocol/fleet/v1alpha1/agent-release.js';

const AGENT = fileURLToPath(new URL('../../device-agent/main.js', import.meta.url));

/** The error that a release that crashes ends with. */
export const CRASH = 'deliberately broken: no such luck';

/** main.js of each broken release; `agent.js` beside it is the agent that works. */
const BREAKAGES = {
  /** An error that nobody catches, at once. */
  crashes: `throw new Error(${JSON.stringify(CRASH)});\n`,
  /** Ends without a word. */
  exits: 'process.exit(3);\n',
  /** Runs, and does nothing; not even SIGTERM ends it. */
  hangs: "process.on('SIGTERM', () => undefined);\nsetInterval(() => undefined, 1000);\n",
  /** Works once somebody puts the file `go` into the installation; says in `waits` in which boot it waits. */
  waits: [
    "import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';",
    'const install = process.env.COVEY_INSTALL_DIR;',
    "writeFileSync(install + '/waits', readFileSync('/proc/sys/kernel/random/boot_id'));",
    'await new Promise((resolve) => {',
    '  const look = () => {',
    "    if (!existsSync(install + '/go')) return;",
    '    watcher.close();',
    '    resolve();',
    '  };',
    '  const watcher = watch(install, look);',
    '  look();',
    '});',
    "await import('./agent.js');",
    '',
  ].join('\n'),
  /** Everything works but the way to the hub. */
  'cannot-connect': [
    "import { Socket } from 'node:net';",
    'const connect = Socket.prototype.connect;',
    'Socket.prototype.connect = function (...args) {',
    '  const [options] = Array.isArray(args[0]) ? args[0] : args;',
    '  if (options?.path !== undefined) return connect.apply(this, args);',
    "  queueMicrotask(() => this.destroy(Object.assign(new Error('deliberately broken'), { code: 'EHOSTUNREACH' })));",
    '  return this;',
    '};',
    "await import('./agent.js');",
    '',
  ].join('\n'),
} as const;
export type Breakage = keyof typeof BREAKAGES;

/** Breaks a staged release, whatever it is made of. */
export async function breakRelease(directory: string, how: Breakage): Promise<void> {
  const main = join(directory, 'device-agent/main.js');
  await rename(main, join(directory, 'device-agent/agent.js'));
  await writeFile(main, BREAKAGES[how]);
}

/** A release of a few hundred bytes that runs the agent from where it was compiled: for this machine only. */
export async function stageThinRelease(directory: string, how?: Breakage): Promise<void> {
  await mkdir(join(directory, 'device-agent'), { recursive: true });
  await writeFile(join(directory, 'package.json'), '{"private":true,"type":"module"}\n');
  await writeFile(join(directory, 'device-agent/main.js'), `await import(${JSON.stringify(AGENT)});\n`);
  await copyFile(LAUNCHER, join(directory, 'launcher'));
  if (how !== undefined) await breakRelease(directory, how);
}

/** A release as `covey release publish` stages it, from the bundle: for boards. */
export async function stageBoardRelease(directory: string, how?: Breakage): Promise<void> {
  const main = agentMain();
  if (!main.includes('/bundle/'))
    throw new Error('the agent is not bundled, or was compiled since: run npm run build');
  const bundle = dirname(dirname(main));
  await stageAgentRelease({ directory, bundle, cache: defaultCache(), architecture: 'arm64' });
  if (how !== undefined) await breakRelease(directory, how);
}

export function thisArchitecture(): ReleaseArchitecture {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

export interface StagedPublication extends Omit<Publication, 'key' | 'archives'> {
  /** Data directory of the hub, which has the key. */
  readonly data: string;
  readonly directory: string;
  readonly architecture: ReleaseArchitecture;
  /** Changes the archive after it was built, as an attacker or a bad disk would; it is signed as it then is. */
  readonly spoil?: (archive: BuiltArchive) => BuiltArchive;
  /** Signs with another key than the hub's: a directory to make one in. */
  readonly otherKey?: string;
}

/** Builds and publishes a staged release as `covey release publish` does. */
export async function publishStaged(hub: Credentials, staged: StagedPublication): Promise<AgentRelease> {
  const { data, directory, architecture, spoil = (archive) => archive, otherKey, ...rest } = staged;
  const archive = await buildArchive(directory, architecture, `${directory}.tar.gz`);
  const key = await openReleaseKey(otherKey ?? join(data, 'pki'));
  return await publishRelease(hub, { ...rest, key, archives: [spoil(archive)] });
}

/** What starts the launcher in this checkout. */
export const STARTER = fileURLToPath(new URL('../../../device-agent/firmware/starter.sh', import.meta.url));
