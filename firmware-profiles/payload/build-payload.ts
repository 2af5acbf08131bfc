/**
 * Builds payload.tar.gz, once for the same agent, Node.js and suite: the result is kept by what went into it. The
 * archive depends on its content only, so two machines with the same packages make the same bytes.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf, digestOfTree, filesBelow } from '../lib/digest.js';
import { LAUNCHER, stageAgentRelease } from './agent-release.js';
import { type Member, writeArchive } from './archive.js';
import { BOARD_PACKAGES, debianPackages } from './debian-packages.js';
import { NODE_VERSION, nodeRuntime } from './node-runtime.js';
import { keptPayload, PAYLOAD_MANIFEST, type Payload, type PayloadManifest } from './payload.js';
import { prunePayloads } from './prune-cache.js';

/** Counted up when the archive's layout changes. */
const LAYOUT = 2;
const SCRIPTS = fileURLToPath(new URL('../../../firmware-profiles/first-boot/', import.meta.url));
const STARTER = fileURLToPath(new URL('../../../device-agent/firmware/starter.sh', import.meta.url));

export interface PayloadOptions {
  /** Kept between runs: downloads and finished payloads. */
  readonly cache?: string;
  /** Release of Debian that the packages are for. */
  readonly suite: string;
  /** Directory of the bundled agent: dist/bundle. */
  readonly bundle: string;
  /** Semantic version of the agent. */
  readonly agentVersion: string;
  readonly progress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** `$XDG_CACHE_HOME/covey`, by default ~/.cache/covey. */
export function defaultCache(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'covey');
}

/** Throws CardError when something for it is missing, with what to do. */
export async function buildPayload(options: PayloadOptions): Promise<Payload> {
  const { suite, bundle, agentVersion, progress = () => undefined, signal } = options;
  const cache = options.cache ?? defaultCache();
  const directory = join(cache, 'payload');
  await mkdir(directory, { recursive: true });
  const scratch = await mkdtemp(join(directory, 'build-'));
  try {
    const release = join(scratch, 'release');
    progress('payload: the device agent and its add-on for arm64');
    await stageAgentRelease({ directory: release, bundle, cache, architecture: 'arm64', signal });
    const manifest: PayloadManifest = { agentVersion, nodeVersion: NODE_VERSION, suite };
    const inputs = [
      ...[LAYOUT, manifest, BOARD_PACKAGES, await digestOf(STARTER)],
      ...[await digestOfTree(release), await digestOfTree(SCRIPTS)],
    ];
    const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
    const file = join(directory, `payload-${agentVersion}-${suite}-${key}.tar.gz`);
    const payload = await keptPayload(file, async () => {
      progress(`payload: Node.js ${NODE_VERSION} for arm64`);
      const node = await nodeRuntime(cache, signal);
      progress(`payload: Debian packages of ${suite} for arm64`);
      const debs = await debianPackages({ directory: join(scratch, 'apt'), suite, signal });
      progress('payload: packing');
      await writeArchive(file, await membersOf({ manifest, node, release, debs }));
    });
    const now = Date.now();
    // Used last.
    await utimes(file, now / 1000, now / 1000);
    await prunePayloads(cache, basename(file), now);
    return payload;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Parts {
  readonly manifest: PayloadManifest;
  readonly node: string;
  readonly release: string;
  readonly debs: readonly string[];
}

async function membersOf({ manifest, node, release, debs }: Parts): Promise<readonly Member[]> {
  const base = `releases/${manifest.agentVersion}`;
  const units = (await filesBelow(join(SCRIPTS, 'units'))).map((name) => ({
    path: `units/${name}`,
    file: join(SCRIPTS, 'units', name),
    mode: 0o644,
  }));
  const files = (await filesBelow(release)).map((path) => ({
    path: `${base}/${path}`,
    file: join(release, path),
    mode: 0o644,
  }));
  return [
    { path: PAYLOAD_MANIFEST, text: `${JSON.stringify(manifest)}\n`, mode: 0o644 },
    { path: 'current', target: base },
    { path: 'launch', file: STARTER, mode: 0o755 },
    { path: 'launcher', file: LAUNCHER, mode: 0o755 },
    { path: 'preflight', file: join(SCRIPTS, 'preflight.sh'), mode: 0o755 },
    { path: 'common.sh', file: join(SCRIPTS, 'common.sh'), mode: 0o644 },
    ...units,
    { path: 'debs/suite', text: `${manifest.suite}\n`, mode: 0o644 },
    ...debs.map((file) => ({ path: `debs/${basename(file)}`, file, mode: 0o644 })),
    ...files,
    { path: 'runtime/bin/node', file: node, mode: 0o755 },
  ];
}
