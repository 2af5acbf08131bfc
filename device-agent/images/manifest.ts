/**
 * Manifests, indexes and configurations of images, OCI and Docker version 2 schema 2: checked shapes, media
 * types, and the choice of a manifest for this board.
 */
import { z } from 'zod';
import { ImageError, type LocalImage } from './image-store.js';
import type { Platform } from './options.js';
import { formatPlatform, platformRank } from './platform.js';

const digest = z.string().regex(/^sha256:[a-f0-9]{64}$/);
const text = z.string().nullish();
const strings = z.array(z.string()).nullish();

const platformSchema = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });

const descriptorSchema = z.object({
  mediaType: z.string(),
  digest,
  size: z.number().int().nonnegative(),
  platform: platformSchema.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(1000) });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema).max(200) });
export type Manifest = z.infer<typeof manifestSchema>;

const configSchema = z.object({
  os: z.string().default('linux'),
  architecture: z.string(),
  variant: z.string().optional(),
  config: z
    .object({
      Entrypoint: strings,
      Cmd: strings,
      Env: strings,
      WorkingDir: text,
      User: text,
      StopSignal: text,
    })
    .nullish(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digest) }),
});
export type ImageConfig = z.infer<typeof configSchema>;

const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** For the Accept header of a manifest request. */
export const ACCEPTED_MANIFESTS = Object.values(MEDIA_TYPES).join(', ');

export type ParsedManifest =
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] }
  | { readonly kind: 'manifest'; readonly manifest: Manifest };

/** `mediaType` is the answer's Content-Type; the document's own field wins. Throws ImageError. */
export function parseManifest(body: Uint8Array, mediaType: string): ParsedManifest {
  const json = parseJson(body, 'manifest') as {
    mediaType?: string;
    manifests?: unknown;
    schemaVersion?: number;
  };
  const type = json.mediaType ?? mediaType.split(';')[0]?.trim() ?? '';
  if (type === MEDIA_TYPES.index || type === MEDIA_TYPES.dockerList || (type === '' && json.manifests))
    return { kind: 'index', manifests: check(indexSchema, json, 'index').manifests };
  if (type === MEDIA_TYPES.manifest || type === MEDIA_TYPES.dockerManifest || type === 'application/json')
    return { kind: 'manifest', manifest: check(manifestSchema, json, 'manifest') };
  throw new ImageError(
    'ErrImagePull',
    `unsupported manifest type "${type}": Covey takes OCI and Docker v2 schema 2`,
  );
}

/** Throws ImageError. */
export function parseConfig(body: Uint8Array): ImageConfig {
  return check(configSchema, parseJson(body, 'image configuration'), 'image configuration');
}

/** The best manifest for the board; throws ImageError WrongArchitecture that names what there is. */
export function chooseManifest(
  candidates: readonly Descriptor[],
  host: Platform,
  reference: string,
): Descriptor {
  let best: { descriptor: Descriptor; rank: number } | undefined;
  for (const descriptor of candidates) {
    if (!descriptor.platform) continue;
    const rank = platformRank(descriptor.platform, host);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { descriptor, rank };
  }
  if (best) return best.descriptor;
  const offered = candidates
    .filter((candidate) => candidate.platform && candidate.platform.os !== 'unknown')
    .map((candidate) => formatPlatform(candidate.platform as Platform));
  throw wrongArchitecture(reference, host, offered);
}

/** Throws ImageError WrongArchitecture when a single-platform image is for another machine. */
export function requirePlatform(config: ImageConfig, host: Platform, reference: string): void {
  const platform: Platform = {
    os: config.os,
    architecture: config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
  };
  if (platformRank(platform, host) === undefined)
    throw wrongArchitecture(reference, host, [formatPlatform(platform)]);
}

function wrongArchitecture(reference: string, host: Platform, offered: readonly string[]): ImageError {
  const list = [...new Set(offered)].slice(0, 20).join(', ') || 'no platform';
  return new ImageError(
    'WrongArchitecture',
    `image ${reference} is not for this device (${formatPlatform(host)}): it exists for ${list}`,
  );
}

/** What the agent needs of a configuration, absent parts as empty ones. */
export function localConfig(config: ImageConfig): LocalImage['config'] {
  const inner = config.config ?? {};
  return {
    entrypoint: inner.Entrypoint ?? [],
    command: inner.Cmd ?? [],
    env: inner.Env ?? [],
    workingDir: inner.WorkingDir ?? '',
    user: inner.User ?? '',
    stopSignal: inner.StopSignal ?? '',
  };
}

/** How a layer is packed. Throws ImageError for what cannot be unpacked. */
export function layerCompression(mediaType: string): 'none' | 'gzip' | 'zstd' {
  if (/(\+|\.)gzip$/.test(mediaType)) return 'gzip';
  if (/\+zstd$/.test(mediaType)) return 'zstd';
  if (/\.tar$/.test(mediaType)) return 'none';
  throw new ImageError('ErrImagePull', `unsupported layer type "${mediaType}"`);
}

function parseJson(body: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw new ImageError('ErrImagePull', `the registry's ${what} is not JSON`, error);
  }
}

function check<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ImageError('ErrImagePull', `bad ${what}: ${issue?.path.join('.')}: ${issue?.message}`);
}
