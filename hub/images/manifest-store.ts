/**
 * Manifests and tags. A manifest is a blob that a repository has claimed; a tag is a small file holding a
 * digest, replaced durably. A manifest is accepted only when all that it refers to is here, so that
 * whatever can be named can be pulled whole.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { isMissing, orMissing, readFileIfPresent, writeFileDurably } from '../lib/files.js';
import type { BlobStore } from './blob-store.js';
import { RegistryError } from './errors.js';
import { isDigest } from './names.js';

const INDEX_TYPES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const MANIFEST_TYPES = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);

const descriptorSchema = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[a-f0-9]{64}$/),
  size: z.number().int().nonnegative(),
  urls: z.array(z.string()).optional(),
  /** Of the manifests in an index. */
  platform: z.object({ architecture: z.string() }).optional(),
});
/** What of an image's config is read here. */
const configSchema = z.object({ architecture: z.string() });
const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: descriptorSchema.optional(),
  layers: z.array(descriptorSchema).optional(),
  manifests: z.array(descriptorSchema).optional(),
  subject: descriptorSchema.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
type ManifestDocument = z.infer<typeof manifestSchema>;

/** Larger configs are served, but not read. */
const MAX_CONFIG_BYTES = 4 * 2 ** 20;

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export class ManifestStore {
  readonly #root: string;
  readonly #blobs: BlobStore;

  constructor(directory: string, blobs: BlobStore) {
    this.#root = join(directory, 'repositories');
    this.#blobs = blobs;
  }

  /** Stores a manifest under its digest and, unless `reference` is a digest, under that tag. */
  async put(name: string, reference: string, contentType: string, bytes: Buffer): Promise<StoredManifest> {
    const document = parse(bytes);
    const mediaType = contentType.split(';')[0]?.trim() || document.mediaType || '';
    if (!INDEX_TYPES.has(mediaType) && !MANIFEST_TYPES.has(mediaType)) {
      throw new RegistryError(
        'MANIFEST_INVALID',
        `media type "${mediaType}" is not an image manifest or index`,
      );
    }
    if (document.mediaType !== undefined && document.mediaType !== mediaType) {
      throw new RegistryError(
        'MANIFEST_INVALID',
        `the manifest says mediaType ${document.mediaType}, the request Content-Type ${mediaType}`,
      );
    }
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (isDigest(reference) && reference !== digest) {
      throw new RegistryError('DIGEST_INVALID', `the manifest's digest is ${digest}, not ${reference}`);
    }
    await this.#requireContent(name, document);
    if ((await this.#blobs.size(digest)) === undefined) {
      const upload = await this.#blobs.startUpload();
      await this.#blobs.append(upload, 0, Readable.from([bytes]));
      await this.#blobs.finishUpload(upload, digest);
    }
    await mkdir(this.#manifests(name), { recursive: true, mode: 0o700 });
    await mkdir(this.#tags(name), { recursive: true, mode: 0o700 });
    await writeFileDurably(join(this.#manifests(name), digest.slice(7)), mediaType);
    if (!isDigest(reference)) await writeFileDurably(join(this.#tags(name), reference), digest);
    return { digest, mediaType, bytes };
  }

  /** MANIFEST_UNKNOWN when the repository has no such tag or digest. */
  async get(name: string, reference: string): Promise<StoredManifest> {
    const digest = isDigest(reference) ? reference : await this.#resolve(name, reference);
    const mediaType = (await readFileIfPresent(join(this.#manifests(name), digest.slice(7))))?.trim();
    if (mediaType === undefined) throw unknownManifest(name, reference);
    return { digest, mediaType, bytes: await readFile(this.#blobs.path(digest)) };
  }

  /** Removes a tag, or a manifest with every tag that names it. */
  async remove(name: string, reference: string): Promise<void> {
    if (!isDigest(reference)) {
      await this.#resolve(name, reference);
      await rm(join(this.#tags(name), reference), { force: true });
      return;
    }
    await this.get(name, reference);
    for (const tag of await this.tags(name)) {
      if ((await readFileIfPresent(join(this.#tags(name), tag)))?.trim() === reference)
        await rm(join(this.#tags(name), tag));
    }
    await rm(join(this.#manifests(name), reference.slice(7)), { force: true });
  }

  /** Tags in lexical order; NAME_UNKNOWN for a repository that is not here. */
  async tags(name: string): Promise<string[]> {
    try {
      return (await readdir(this.#tags(name))).filter((tag) => !tag.endsWith('.tmp')).sort();
    } catch (error) {
      if (isMissing(error)) throw new RegistryError('NAME_UNKNOWN', `there is no repository ${name}`);
      throw error;
    }
  }

  /** Every tag and digest of a repository; none for one that is not here. */
  async references(name: string): Promise<string[]> {
    const [tags, hexes] = await Promise.all(
      [this.#tags(name), this.#manifests(name)].map(async (directory) =>
        ((await orMissing(readdir(directory))) ?? []).filter((entry) => !entry.endsWith('.tmp')),
      ),
    );
    return [...(tags ?? []), ...(hexes ?? []).map((hex) => `sha256:${hex}`)];
  }

  /** Architectures that an image is built for, by its index or its config; none when they do not say. */
  async architectures(name: string, reference: string): Promise<string[]> {
    const { manifests, config } = parse((await this.get(name, reference)).bytes);
    if (manifests !== undefined) {
      const named = manifests.flatMap(({ platform }) => platform?.architecture ?? []);
      // Attestations stand in an index under the architecture `unknown`.
      const known = named.filter((architecture) => architecture !== 'unknown');
      return [...new Set(known)];
    }
    if (config === undefined || config.size > MAX_CONFIG_BYTES) return [];
    const text = await readFileIfPresent(this.#blobs.path(config.digest));
    const parsed = configSchema.safeParse(parseJson(text ?? ''));
    return parsed.success ? [parsed.data.architecture] : [];
  }

  /** Every repository name, in lexical order. */
  async repositories(): Promise<string[]> {
    const names: string[] = [];
    const visit = async (directory: string, name: string): Promise<void> => {
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        if (entry.name === '_manifests') names.push(name);
        else if (entry.name !== '_tags') {
          await visit(join(directory, entry.name), name === '' ? entry.name : `${name}/${entry.name}`);
        }
      }
    };
    try {
      await visit(this.#root, '');
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return names.sort();
  }

  /** Digests that some manifest of some repository needs: manifests, configs and layers. */
  async referenced(): Promise<Set<string>> {
    const found = new Set<string>();
    for (const name of await this.repositories()) {
      for (const hex of await readdir(this.#manifests(name))) {
        if (hex.endsWith('.tmp')) continue;
        const digest = `sha256:${hex}`;
        found.add(digest);
        for (const descriptor of contentOf(parse(await readFile(this.#blobs.path(digest)))))
          found.add(descriptor.digest);
      }
    }
    return found;
  }

  /** Manifests of the repository whose `subject` is the digest, as index descriptors. */
  async referrers(name: string, subject: string): Promise<object[]> {
    const found: object[] = [];
    const hexes = (await orMissing(readdir(this.#manifests(name)))) ?? [];
    for (const hex of hexes.filter((entry) => !entry.endsWith('.tmp'))) {
      const stored = await this.get(name, `sha256:${hex}`);
      const document = parse(stored.bytes);
      if (document.subject?.digest !== subject) continue;
      const artifactType = document.artifactType ?? document.config?.mediaType;
      found.push({
        mediaType: stored.mediaType,
        digest: stored.digest,
        size: stored.bytes.length,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
      });
    }
    return found;
  }

  async #requireContent(name: string, document: ManifestDocument): Promise<void> {
    for (const descriptor of contentOf(document)) {
      if (descriptor.urls !== undefined && descriptor.urls.length > 0) continue;
      const size = await this.#blobs.size(descriptor.digest);
      if (size === undefined) {
        throw new RegistryError(
          'MANIFEST_BLOB_UNKNOWN',
          `${name}: push ${descriptor.digest} before its manifest`,
          {
            digest: descriptor.digest,
          },
        );
      }
      if (size !== descriptor.size) {
        throw new RegistryError(
          'MANIFEST_INVALID',
          `${descriptor.digest} has ${size} bytes, the manifest says ${descriptor.size}`,
        );
      }
    }
  }

  async #resolve(name: string, tag: string): Promise<string> {
    const digest = (await readFileIfPresent(join(this.#tags(name), tag)))?.trim();
    if (digest === undefined) throw unknownManifest(name, tag);
    return digest;
  }

  #manifests(name: string): string {
    return join(this.#root, name, '_manifests');
  }

  #tags(name: string): string {
    return join(this.#root, name, '_tags');
  }
}

function contentOf(document: ManifestDocument) {
  return [
    ...(document.config === undefined ? [] : [document.config]),
    ...(document.layers ?? []),
    ...(document.manifests ?? []),
  ];
}

function parse(bytes: Buffer): ManifestDocument {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new RegistryError('MANIFEST_INVALID', `the manifest is not JSON: ${(error as Error).message}`);
  }
  const result = manifestSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new RegistryError('MANIFEST_INVALID', `manifest: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  if (result.data.manifests === undefined && result.data.layers === undefined) {
    throw new RegistryError('MANIFEST_INVALID', 'a manifest needs "layers", an index "manifests"');
  }
  return result.data;
}

/** undefined for what is not JSON: artifacts have configs of any kind. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function unknownManifest(name: string, reference: string): RegistryError {
  return new RegistryError(
    'MANIFEST_UNKNOWN',
    `${name}${isDigest(reference) ? '@' : ':'}${reference} is not in this registry`,
  );
}
