/**
 * Fetches one blob to a file: verified by size and digest, continued by HTTP range where an earlier attempt or
 * an earlier life of the agent stopped, retried with back-off as long as attempts bring bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import { hasErrno, orMissing } from '../lib/errno.js';
import type { ImageSource } from './image-source.js';
import { ImageError } from './image-store.js';
import type { Descriptor } from './manifest.js';

export interface DownloadOptions {
  readonly source: ImageSource;
  readonly blob: Descriptor;
  /** Where the bytes are collected; left there when the download is given up, for the next pull. */
  readonly path: string;
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Bytes that are on disk now. */
  readonly progress: (bytes: number) => void;
}

const BACKOFF = { initialMs: 500, maxMs: 20_000 };
/** Written bytes after which they are forced to disk, so that a power cut costs no more. */
const SYNC_EVERY = 8 * 1024 * 1024;

/** Resolves when the whole, verified blob is at `path`. Rejects with ImageError; damaged files are removed. */
export async function downloadBlob(options: DownloadOptions): Promise<void> {
  let failures = 0;
  for (;;) {
    const before = (await orMissing(stat(options.path)))?.size ?? 0;
    try {
      await attempt(options);
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
        await rm(options.path, { force: true });
        throw new ImageError('DiskFull', `no space left for layer ${options.blob.digest}`, error);
      }
      if (error instanceof ImageError && error.reason !== 'RegistryUnavailable') throw error;
      const after = (await orMissing(stat(options.path)))?.size ?? 0;
      failures = after > before ? 0 : failures + 1;
      if (failures >= options.maxAttempts) throw unavailable(options, error);
      await options.clock.sleep(backoffDelay(BACKOFF, failures, options.random), options.signal);
    }
  }
}

function unavailable(options: DownloadOptions, error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ImageError('RegistryUnavailable', `layer ${options.blob.digest}: ${message}`, error);
}

async function attempt(options: DownloadOptions): Promise<void> {
  const { blob, path, signal } = options;
  let { hash, size } = await readExisting(path, blob.size);
  if (size < blob.size || blob.size === 0) {
    const { body, from } = await options.source.blob(blob.digest, size);
    if (from === 0 && size > 0) {
      hash = createHash('sha256');
      size = 0;
    }
    const file = await open(path, size === 0 ? 'w' : 'r+', 0o600);
    try {
      let synced = size;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        if (size + chunk.length > blob.size)
          throw await damaged(options, `more than the promised ${blob.size} bytes`);
        await writeFully(file, chunk, size);
        hash.update(chunk);
        size += chunk.length;
        options.progress(size);
        if (size - synced < SYNC_EVERY) continue;
        await file.datasync();
        synced = size;
      }
      await file.datasync();
    } finally {
      body.destroy();
      await file.close();
    }
    if (size < blob.size)
      throw new ImageError(
        'RegistryUnavailable',
        `layer ${blob.digest} ended after ${size} of ${blob.size} bytes`,
      );
  }
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== blob.digest) throw await damaged(options, `digest ${digest}`);
  options.progress(size);
}

/** A nearly full disk takes a part only; the rest then fails with its reason. */
async function writeFully(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  }
}

/** Bytes that are wrong are of no use to a later attempt. */
async function damaged(options: DownloadOptions, found: string): Promise<ImageError> {
  await rm(options.path, { force: true });
  return new ImageError('DigestMismatch', `layer ${options.blob.digest} arrived with ${found}`);
}

/** What earlier attempts left, hashed again; a file longer than the blob is useless. */
async function readExisting(path: string, limit: number): Promise<{ hash: Hash; size: number }> {
  const hash = createHash('sha256');
  const info = await orMissing(stat(path));
  if (!info || info.size === 0) return { hash, size: 0 };
  if (info.size > limit) {
    await rm(path, { force: true });
    return { hash, size: 0 };
  }
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return { hash, size: info.size };
}
