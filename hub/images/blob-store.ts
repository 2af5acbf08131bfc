/**
 * Blobs on disk, named by digest, and the uploads that become them. A blob exists under its name only
 * once its digest has been checked and it is on disk: data is written to an upload file, synced, and
 * renamed into place. An upload survives a restart of the hub and is dropped when it has been idle a day.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#protocol/lib/clock.js';
import { isMissing, orMissing, syncDirectory } from '../lib/files.js';
import { RegistryError } from './errors.js';

const UPLOAD_ID = /^[0-9a-f-]{36}$/;
const UPLOAD_IDLE_MS = 24 * 3_600_000;

export interface BlobStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Largest blob in bytes. */
  readonly maxBlobBytes: number;
}

export class BlobStore {
  readonly #options: BlobStoreOptions;
  readonly #blobs: string;
  readonly #uploads: string;
  /** Uploads that a request is writing now; a second writer is refused. */
  readonly #busy = new Set<string>();

  constructor(options: BlobStoreOptions) {
    this.#options = options;
    this.#blobs = join(options.directory, 'blobs', 'sha256');
    this.#uploads = join(options.directory, 'uploads');
  }

  /** Makes the directories and drops uploads that nobody has touched for a day. */
  async open(): Promise<void> {
    await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
    await mkdir(this.#uploads, { recursive: true, mode: 0o700 });
    const oldest = this.#options.clock.now() - UPLOAD_IDLE_MS;
    for (const id of await readdir(this.#uploads)) {
      const info = await stat(join(this.#uploads, id));
      if (info.mtimeMs < oldest) await rm(join(this.#uploads, id), { force: true });
    }
  }

  /** Size in bytes, or undefined when the blob is not here. */
  async size(digest: string): Promise<number | undefined> {
    return (await orMissing(stat(this.path(digest))))?.size;
  }

  /** A stream of bytes `start` to `end` inclusive. */
  read(digest: string, start: number, end: number): Readable {
    return createReadStream(this.path(digest), { start, end });
  }

  path(digest: string): string {
    return join(this.#blobs, digest.slice('sha256:'.length));
  }

  async *list(): AsyncIterable<{ digest: string; info: Stats }> {
    for (const hex of await readdir(this.#blobs)) {
      yield { digest: `sha256:${hex}`, info: await stat(join(this.#blobs, hex)) };
    }
  }

  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { force: true });
  }

  /** Begins an upload; returns its id. */
  async startUpload(): Promise<string> {
    const id = randomUUID();
    const file = await open(join(this.#uploads, id), 'wx', 0o600);
    await file.close();
    return id;
  }

  /** Bytes received so far; BLOB_UPLOAD_UNKNOWN when there is no such upload. */
  async uploadSize(id: string): Promise<number> {
    if (!UPLOAD_ID.test(id)) throw unknownUpload(id);
    try {
      return (await stat(join(this.#uploads, id))).size;
    } catch (error) {
      if (isMissing(error)) throw unknownUpload(id);
      throw error;
    }
  }

  /**
   * Appends a stream at `offset`, which must be the upload's size (RANGE_INVALID otherwise). A stream that
   * breaks off leaves what arrived, so that the client can resume. Returns the new size.
   */
  async append(id: string, offset: number | undefined, body: Readable): Promise<number> {
    const size = await this.uploadSize(id);
    if (offset !== undefined && offset !== size) {
      throw new RegistryError(
        'RANGE_INVALID',
        `the upload has ${size} bytes; a chunk at ${offset} leaves a gap`,
      );
    }
    if (this.#busy.has(id)) {
      throw new RegistryError('BLOB_UPLOAD_INVALID', `upload ${id} is being written by another request`);
    }
    this.#busy.add(id);
    try {
      const file = await open(join(this.#uploads, id), 'a', 0o600);
      let total = size;
      const limit = this.#options.maxBlobBytes;
      try {
        // The stream stays open after an error, so that the refusal can be answered on its connection.
        for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          total += chunk.length;
          if (total > limit)
            throw new RegistryError('SIZE_INVALID', `a blob may have at most ${limit} bytes`);
          await file.writeFile(chunk);
        }
      } finally {
        await file.close();
      }
      return total;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
        await this.cancelUpload(id);
        throw new RegistryError(
          'INSUFFICIENT_STORAGE',
          'the disk of the hub is full; free space and push again',
        );
      }
      throw error;
    } finally {
      this.#busy.delete(id);
    }
  }

  /** Checks the digest and moves the upload into place; on a mismatch the upload is gone. */
  async finishUpload(id: string, digest: string): Promise<number> {
    const size = await this.uploadSize(id);
    const path = join(this.#uploads, id);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual !== digest) {
      await this.cancelUpload(id);
      throw new RegistryError('DIGEST_INVALID', `the upload's digest is ${actual}, not ${digest}`);
    }
    const file = await open(path, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(path, this.path(digest));
    await syncDirectory(this.#blobs);
    return size;
  }

  /** Drops an upload; one that is gone already is no error. */
  async cancelUpload(id: string): Promise<void> {
    if (!UPLOAD_ID.test(id)) throw unknownUpload(id);
    await rm(join(this.#uploads, id), { force: true });
  }
}

function unknownUpload(id: string): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', `there is no upload ${id}; begin again with POST`);
}
