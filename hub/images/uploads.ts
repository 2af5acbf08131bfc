/** Upload requests: begin (or mount, or whole in one POST), append a chunk, ask how far, finish. */
import type { ServerResponse } from 'node:http';
import { RegistryError } from './errors.js';
import type { RegistryContext } from './image-registry.js';
import { checkDigest } from './names.js';

interface UploadPath {
  readonly name: string;
  readonly id: string;
}

export async function startUpload(context: RegistryContext, { name }: { name: string }): Promise<void> {
  const { request, response, url, blobs } = context;
  const mount = url.searchParams.get('mount');
  if (mount !== null && (await blobs.size(checkDigest(mount))) !== undefined) {
    created(response, name, mount);
    return;
  }
  const id = await blobs.startUpload();
  const digest = url.searchParams.get('digest');
  if (digest === null) {
    accepted(response, name, id, 0);
    return;
  }
  checkDigest(digest);
  try {
    await blobs.append(id, 0, request);
  } catch (error) {
    await blobs.cancelUpload(id);
    throw error;
  }
  await blobs.finishUpload(id, digest);
  created(response, name, digest);
}

export async function uploadStatus(
  { response, blobs }: RegistryContext,
  { name, id }: UploadPath,
): Promise<void> {
  const size = await blobs.uploadSize(id);
  progress(response, name, id, size);
  response.writeHead(204).end();
}

export async function continueUpload(context: RegistryContext, { name, id }: UploadPath): Promise<void> {
  const { request, response, blobs } = context;
  const size = await blobs.append(id, offsetOf(request.headers['content-range']), request);
  accepted(response, name, id, size);
}

export async function finishUpload(context: RegistryContext, { name, id }: UploadPath): Promise<void> {
  const { request, response, url, blobs } = context;
  const digest = checkDigest(url.searchParams.get('digest') ?? '');
  await blobs.append(id, offsetOf(request.headers['content-range']), request);
  await blobs.finishUpload(id, digest);
  created(response, name, digest);
}

function offsetOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(header);
  if (match === null)
    throw new RegistryError('RANGE_INVALID', `"${header}" is not a Content-Range: <start>-<end>`);
  return Number(match[1]);
}

function progress(response: ServerResponse, name: string, id: string, size: number): void {
  response.setHeader('Location', `/v2/${name}/blobs/uploads/${id}`);
  response.setHeader('Docker-Upload-UUID', id);
  response.setHeader('Range', `0-${Math.max(0, size - 1)}`);
}

function accepted(response: ServerResponse, name: string, id: string, size: number): void {
  progress(response, name, id, size);
  response.writeHead(202).end();
}

function created(response: ServerResponse, name: string, digest: string): void {
  response.writeHead(201, { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest }).end();
}
