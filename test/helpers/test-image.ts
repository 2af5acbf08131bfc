/** Images built by hand: layers from lists of entries, manifests, indexes, and their push to a registry. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { APPLETS, GROUP, PASSWD } from './busybox-image.js';

export interface Layer {
  /** As the registry stores it. */
  readonly blob: Buffer;
  readonly digest: string;
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
  readonly mediaType: string;
}

export type LayerEntry = Partial<Header> & { readonly name: string; readonly content?: string | Buffer };

export const sha256 = (data: Uint8Array): string =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;

export async function makeTar(entries: readonly LayerEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry(header, content ?? '');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function makeLayer(entries: readonly LayerEntry[], level = 1): Promise<Layer> {
  const tar = await makeTar(entries);
  const blob = gzipSync(tar, { level });
  return {
    blob,
    digest: sha256(blob),
    diffId: sha256(tar),
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  };
}

/** busybox with its applets, users and the usual directories. */
export async function busyboxLayer(): Promise<Layer> {
  const binary = await readFile('/usr/bin/busybox');
  const directories = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'tmp', 'var'];
  return makeLayer([
    ...directories.map((name) => ({ name: `${name}/`, type: 'directory' as const, mode: 0o755 })),
    { name: 'bin/busybox', mode: 0o755, content: binary },
    ...APPLETS.map((applet) => ({
      name: `bin/${applet}`,
      type: 'link' as const,
      linkname: 'bin/busybox',
      mode: 0o755,
    })),
    { name: 'etc/passwd', mode: 0o644, content: PASSWD },
    { name: 'etc/group', mode: 0o644, content: GROUP },
  ]);
}

export interface ImageOptions {
  readonly architecture?: string;
  readonly variant?: string;
  readonly config?: Record<string, unknown>;
  readonly docker?: boolean;
}

export interface BuiltImage {
  readonly layers: readonly Layer[];
  readonly config: Buffer;
  readonly manifest: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

export function buildImage(layers: readonly Layer[], options: ImageOptions = {}): BuiltImage {
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: options.architecture ?? (process.arch === 'x64' ? 'amd64' : process.arch),
      ...(options.variant === undefined ? {} : { variant: options.variant }),
      config: options.config ?? { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    }),
  );
  const mediaType = options.docker
    ? 'application/vnd.docker.distribution.manifest.v2+json'
    : 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: options.docker
          ? 'application/vnd.docker.container.image.v1+json'
          : 'application/vnd.oci.image.config.v1+json',
        digest: sha256(config),
        size: config.length,
      },
      layers: layers.map((layer) => ({
        mediaType: options.docker ? 'application/vnd.docker.image.rootfs.diff.tar.gzip' : layer.mediaType,
        digest: layer.digest,
        size: layer.blob.length,
      })),
    }),
  );
  return { layers, config, manifest, mediaType, digest: sha256(manifest) };
}

export interface PlatformImage {
  readonly image: BuiltImage;
  readonly architecture: string;
  readonly variant?: string;
}

export function buildIndex(images: readonly PlatformImage[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: images.map(({ image, architecture, variant }) => ({
        mediaType: image.mediaType,
        digest: image.digest,
        size: image.manifest.length,
        platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
      })),
    }),
  );
}

/** Pushes the image's blobs and its manifest under `tag`. `registry` is a base URL. */
export async function pushImage(
  registry: string,
  repository: string,
  tag: string,
  image: BuiltImage,
): Promise<void> {
  for (const blob of [image.config, ...image.layers.map((layer) => layer.blob)]) {
    await pushBlob(registry, repository, blob);
  }
  await pushManifest(registry, repository, tag, image.manifest, image.mediaType);
}

async function pushBlob(registry: string, repository: string, blob: Buffer): Promise<void> {
  const begun = await fetch(`${registry}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', registry);
  location.searchParams.set('digest', sha256(blob));
  const done = await fetch(location, {
    method: 'PUT',
    body: new Uint8Array(blob),
    headers: { 'content-type': 'application/octet-stream' },
  });
  if (done.status !== 201) throw new Error(`blob push: ${done.status} ${await done.text()}`);
}

export async function pushManifest(
  registry: string,
  repository: string,
  reference: string,
  body: Buffer,
  mediaType: string,
): Promise<void> {
  const done = await fetch(`${registry}/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    body: new Uint8Array(body),
    headers: { 'content-type': mediaType },
  });
  if (done.status !== 201) throw new Error(`manifest push: ${done.status} ${await done.text()}`);
}
