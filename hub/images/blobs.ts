/** Blob requests: download with ranges (resumable pulls), existence, deletion. */
import { pipeline } from 'node:stream/promises';
import { RegistryError } from './errors.js';
import type { RegistryContext } from './image-registry.js';

interface BlobPath {
  readonly name: string;
  readonly digest: string;
}

/** GET and HEAD of a blob; one byte range is honoured (RFC 9110 sections 13.1.5 and 14). */
export async function getBlob(context: RegistryContext, { digest }: BlobPath): Promise<void> {
  const { request, response, blobs } = context;
  const size = await blobs.size(digest);
  if (size === undefined)
    throw new RegistryError('BLOB_UNKNOWN', `blob ${digest} is not in this registry`, { digest });
  response.setHeader('Docker-Content-Digest', digest);
  response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Accept-Ranges', 'bytes');
  // What a digest names never changes, so that it is the strongest of validators.
  const tag = `"${digest}"`;
  response.setHeader('ETag', tag);
  const condition = request.headers['if-range'];
  const asked = condition === undefined || condition === tag ? request.headers.range : undefined;
  const range = parseRange(asked, size);
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`);
    throw new RegistryError(
      'RANGE_INVALID',
      `the blob has ${size} bytes; "${request.headers.range}" lies outside`,
    );
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.statusCode = range === undefined ? 200 : 206;
  response.setHeader('Content-Length', end - start + 1);
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end}/${size}`);
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  await pipeline(blobs.read(digest, start, end), response);
}

export async function removeBlob(
  { blobs, manifests, response }: RegistryContext,
  { digest }: BlobPath,
): Promise<void> {
  if ((await blobs.size(digest)) === undefined) {
    throw new RegistryError('BLOB_UNKNOWN', `blob ${digest} is not in this registry`, { digest });
  }
  if ((await manifests.referenced()).has(digest)) {
    throw new RegistryError(
      'DENIED',
      `blob ${digest} belongs to an image; delete the image's manifest first`,
    );
  }
  await blobs.remove(digest);
  response.writeHead(202).end();
}

/** undefined: no range, or one that may be ignored. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start > end || start >= size ? 'unsatisfiable' : { start, end };
}
