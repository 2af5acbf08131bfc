/**
 * An image as a file: a tar archive of an OCI layout, as skopeo and podman write it and as cards bring it. Only the
 * headers are read to find the members; blobs are then read from their place, so nothing is unpacked twice. Content
 * is verified by whoever takes it, exactly as if a registry had sent it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { FetchedManifest, ImageSource } from './image-source.js';
import { ImageError } from './image-store.js';

const BLOCK = 512;
const MAX_MEMBERS = 10_000;
const MAX_INDEX_BYTES = 4 * 1024 * 1024;
const NAME_ANNOTATION = 'org.opencontainers.image.ref.name';
const TAR_FILE_TYPES = ['0', '\0'];

const indexSchema = z.object({
  manifests: z
    .array(
      z.object({
        mediaType: z.string().default(''),
        digest: z.string().regex(/^sha256:[a-f0-9]{64}$/),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
    )
    .min(1),
});

interface Place {
  readonly offset: number;
  readonly size: number;
}

export class OciArchive implements ImageSource {
  readonly #path: string;
  readonly #members: ReadonlyMap<string, Place>;
  readonly #signal: AbortSignal;
  /** The name that the archive gives its image: 'registry.example/app:1.2'. */
  readonly reference: string;
  /** Digest of its manifest, or of its index. */
  readonly digest: string;
  readonly #mediaType: string;

  private constructor(
    path: string,
    members: ReadonlyMap<string, Place>,
    top: { readonly reference: string; readonly digest: string; readonly mediaType: string },
    signal: AbortSignal,
  ) {
    this.#path = path;
    this.#members = members;
    this.#signal = signal;
    this.reference = top.reference;
    this.digest = top.digest;
    this.#mediaType = top.mediaType;
  }

  /** Rejects with ImageError when the file is not such an archive. */
  static async open(path: string, signal: AbortSignal): Promise<OciArchive> {
    const file = await open(path, 'r');
    try {
      const members = await scan(file, path);
      const index = members.get('index.json');
      if (index === undefined || index.size > MAX_INDEX_BYTES) throw notOne(path, 'it has no index.json');
      const parsed = indexSchema.safeParse(JSON.parse((await readPart(file, index)).toString('utf8')));
      const [top] = parsed.data?.manifests ?? [];
      const reference = top?.annotations?.[NAME_ANNOTATION];
      if (top === undefined || reference === undefined)
        throw notOne(path, `its index.json does not name an image by ${NAME_ANNOTATION}`);
      return new OciArchive(
        path,
        members,
        { reference, digest: top.digest, mediaType: top.mediaType },
        signal,
      );
    } catch (error) {
      if (error instanceof SyntaxError)
        throw notOne(path, `its index.json is not readable: ${error.message}`);
      throw error;
    } finally {
      await file.close();
    }
  }

  withSignal(signal: AbortSignal): OciArchive {
    const { reference, digest } = this;
    return new OciArchive(
      this.#path,
      this.#members,
      { reference, digest, mediaType: this.#mediaType },
      signal,
    );
  }

  /** Whatever tag is asked for: the archive has one image. */
  async manifest(name: string): Promise<FetchedManifest> {
    const wanted = name.startsWith('sha256:') ? name : this.digest;
    const body = await this.smallBlob(wanted, MAX_INDEX_BYTES);
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    if (digest !== wanted)
      throw new ImageError('DigestMismatch', `manifest ${wanted} of ${this.#path} has digest ${digest}`);
    return { body, mediaType: wanted === this.digest ? this.#mediaType : '', digest };
  }

  async smallBlob(digest: string, limit: number): Promise<Buffer> {
    const place = this.#place(digest);
    if (place.size > limit)
      throw new ImageError('ErrImagePull', `blob ${digest} has ${place.size} bytes, more than ${limit}`);
    const file = await open(this.#path, 'r');
    try {
      return await readPart(file, place);
    } finally {
      await file.close();
    }
  }

  async blob(digest: string, offset: number): Promise<{ body: Readable; from: number }> {
    const place = this.#place(digest);
    const from = Math.min(offset, place.size);
    // An end before the start would be an error; nothing is left to read then.
    const body = createReadStream(this.#path, {
      start: place.offset + from,
      end: Math.max(place.offset + place.size - 1, place.offset + from),
      signal: this.#signal,
    });
    return { body, from };
  }

  #place(digest: string): Place {
    const place = this.#members.get(`blobs/${digest.replace(':', '/')}`);
    if (place === undefined) throw new ImageError('ErrImagePull', `${this.#path} has no blob ${digest}`);
    return place;
  }
}

/** Reads the headers of the members; the archive ends with an empty one. */
async function scan(file: FileHandle, path: string): Promise<ReadonlyMap<string, Place>> {
  const members = new Map<string, Place>();
  const header = Buffer.alloc(BLOCK);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(header, 0, BLOCK, position);
    if (bytesRead < BLOCK) throw notOne(path, `it ends in a header, at byte ${position}`);
    if (header.every((byte) => byte === 0)) return members;
    if (members.size >= MAX_MEMBERS) throw notOne(path, `it has more than ${MAX_MEMBERS} members`);
    const size = Number.parseInt(text(header, 124, 12), 8);
    if (text(header, 257, 5) !== 'ustar' || !Number.isSafeInteger(size) || size < 0)
      throw notOne(path, `there is no member at byte ${position}`);
    const prefix = text(header, 345, 155);
    const name = `${prefix === '' ? '' : `${prefix}/`}${text(header, 0, 100)}`.replace(/^\.\//, '');
    if (TAR_FILE_TYPES.includes(String.fromCharCode(header[156] ?? 0)))
      members.set(name, { offset: position + BLOCK, size });
    position += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function text(header: Buffer, start: number, length: number): string {
  const [value = ''] = header.toString('latin1', start, start + length).split('\0', 1);
  return value.trim();
}

async function readPart(file: FileHandle, { offset, size }: Place): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  const { bytesRead } = await file.read(buffer, 0, size, offset);
  return buffer.subarray(0, bytesRead);
}

function notOne(path: string, why: string): ImageError {
  return new ImageError('ErrImagePull', `${path} is not an OCI archive: ${why}`);
}
