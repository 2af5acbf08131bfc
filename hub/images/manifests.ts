/** Manifest requests: pull by tag or digest, push. A manifest has at most 4 MiB. */
import { readBody } from '../lib/read-body.js';
import { RegistryError } from './errors.js';
import type { RegistryContext } from './image-registry.js';

const MAX_MANIFEST_BYTES = 4 * 2 ** 20;

interface ManifestPath {
  readonly name: string;
  readonly reference: string;
}

export async function getManifest(
  context: RegistryContext,
  { name, reference }: ManifestPath,
): Promise<void> {
  const { request, response, manifests } = context;
  const manifest = await manifests.get(name, reference);
  response.writeHead(200, {
    'Content-Type': manifest.mediaType,
    'Content-Length': manifest.bytes.length,
    'Docker-Content-Digest': manifest.digest,
    ETag: `"${manifest.digest}"`,
  });
  response.end(request.method === 'HEAD' ? undefined : manifest.bytes);
}

export async function putManifest(
  context: RegistryContext,
  { name, reference }: ManifestPath,
): Promise<void> {
  const { request, response, manifests, platforms } = context;
  const body = await readBody(request, MAX_MANIFEST_BYTES);
  if (body === 'too-large') {
    throw new RegistryError('SIZE_INVALID', `a manifest may have at most ${MAX_MANIFEST_BYTES} bytes`);
  }
  const manifest = await manifests.put(name, reference, request.headers['content-type'] ?? '', body);
  await platforms.refresh(name);
  response.writeHead(201, {
    Location: `/v2/${name}/manifests/${manifest.digest}`,
    'Docker-Content-Digest': manifest.digest,
  });
  response.end();
}
