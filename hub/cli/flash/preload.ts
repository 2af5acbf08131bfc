/**
 * Container images that a card brings along: fetched for arm64 with skopeo, each as one OCI archive, kept by digest
 * so that a second run takes the same bytes. For the hub's own registry skopeo gets the authority and the
 * administrator's certificate from private files of the work directory, never from its arguments.
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { ProgramError, programText } from '#firmware-profiles/lib/program.js';
import { syncFile } from '#firmware-profiles/lib/sync-file.js';
import type { PlanInput } from '#firmware-profiles/plan.js';
import { HUB_REGISTRY_HOST } from '#protocol/fleet/v1alpha1/well-known.js';
import { exists } from '../../lib/files.js';
import type { Credentials } from '../../lib/https-client.js';
import { CommandError } from '../command.js';

const PLATFORM = ['--override-os', 'linux', '--override-arch', 'arm64'];
const PULL_TIMEOUT_MS = 30 * 60_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** host[:port]/path[:tag][@digest]; what skopeo and the board's agent understand. */
const REFERENCE = /^[A-Za-z0-9][\w./:@-]{0,254}$/;

export interface PreloadOptions {
  readonly cache: string;
  readonly work: Pick<WorkDirectory, 'sub'>;
  readonly credentials: Credentials;
  /** The hub's address on boards. */
  readonly hubUrl: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function fetchPreloads(
  images: readonly string[],
  options: PreloadOptions,
): Promise<PlanInput['preload']> {
  if (images.length === 0) return [];
  const directory = join(options.cache, 'preload');
  await mkdir(directory, { recursive: true });
  await using certificates = await options.work.sub();
  const { ca, cert, key } = options.credentials;
  const files = { 'ca.crt': ca, 'client.cert': cert, 'client.key': key };
  for (const [name, content] of Object.entries(files))
    if (content !== undefined) await writeFile(join(certificates.path, name), content, { mode: 0o600 });
  const fetched = [];
  for (const image of new Set(images))
    fetched.push(await fetchOne(image, directory, certificates.path, options));
  return fetched;
}

async function fetchOne(
  image: string,
  directory: string,
  certificates: string,
  { credentials, hubUrl, progress, signal }: PreloadOptions,
): Promise<PlanInput['preload'][number]> {
  if (!REFERENCE.test(image))
    throw new CommandError(`--preload ${image}: expected an image such as registry.example/app:1.2`);
  // The hub's registry has a name for pods, and an address for boards; here it is dialled as this machine does.
  const local = new URL(credentials.server).host;
  const [host = ''] = image.split('/');
  const isOwn = [HUB_REGISTRY_HOST, new URL(hubUrl).host, local].includes(host);
  const source = isOwn ? `${local}${image.slice(host.length)}` : image;
  const inspect = [...PLATFORM, 'inspect', ...(isOwn ? ['--cert-dir', certificates] : [])];
  const digest = (
    await skopeo(image, [...inspect, '--format', '{{.Digest}}', `docker://${source}`], signal)
  ).trim();
  if (!DIGEST.test(digest)) throw new CommandError(`--preload ${image}: the registry told no digest of it`);
  const name = createHash('sha256').update(`${image}\n${digest}`).digest('hex').slice(0, 32);
  const file = join(directory, `${name}.tar`);
  if (!(await exists(file))) {
    progress(`fetching ${image} for arm64`);
    const partial = join(directory, `${name}-${process.pid}.partial`);
    const copy = [...PLATFORM, 'copy', '--quiet', ...(isOwn ? ['--src-cert-dir', certificates] : [])];
    try {
      // By digest: the tag may have moved since it was asked.
      const exact = `docker://${repositoryOf(source)}@${digest}`;
      await skopeo(image, [...copy, exact, `oci-archive:${partial}:${image}`], signal);
      await syncFile(partial);
      await rename(partial, file);
    } finally {
      await rm(partial, { force: true });
    }
  }
  return { file, name: `${cardName(image)}-${name.slice(0, 8)}.tar`, bytes: (await stat(file)).size };
}

async function skopeo(image: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    return await programText('skopeo', args, { timeoutMs: PULL_TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const said = /msg="(.*)"\s*$/m.exec(error.stderr)?.[1]?.replaceAll('\\"', '"') ?? error.message;
    throw new CommandError(`--preload ${image}: ${said}`);
  }
}

/** Without tag and digest. */
function repositoryOf(image: string): string {
  const [plain = image] = image.split('@');
  return plain.replace(/:[^/:]+$/, '');
}

/** Letters that every file system takes. */
function cardName(image: string): string {
  return image.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 80);
}
