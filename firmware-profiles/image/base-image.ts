/**
 * Opens a base image: finds out how it is packed, unpacks it into a work directory, checks its digest and its
 * partition table. Whoever holds a BaseImage holds a whole, checked disk that can be read anywhere; nothing of it
 * was written to a target before. A raw image is used where it lies and is never written to.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { CardError } from '../card-error.js';
import { fileTrouble } from '../lib/file-trouble.js';
import { ProgramError } from '../lib/program.js';
import type { Progress } from '../lib/progress.js';
import { type Compression, detectCompression, SIGNATURE_BYTES } from './compression.js';
import { decompress } from './decompress.js';
import type { PartitionTable } from './partition.js';
import { readPartitionTable } from './partition-table.js';
import { SparseFile } from './sparse-file.js';
import { isMisread } from './volume.js';

const READ_BYTES = 2 ** 20;

export interface BaseImage {
  /** The unpacked disk. */
  readonly disk: string;
  readonly bytes: number;
  /** SHA-256 of the unpacked disk, hexadecimal. */
  readonly sha256: string;
  readonly compression: Compression;
  readonly table: PartitionTable;
}

export interface OpenImageOptions {
  readonly file: string;
  /** SHA-256 of the file as it was downloaded. */
  readonly sha256?: string | undefined;
  /** For the unpacked disk; the caller removes it. */
  readonly workDirectory: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Rejects with a CardError when it is no image, truncated, or another one than the digest says. */
export async function openBaseImage(options: OpenImageOptions): Promise<BaseImage> {
  const { file, workDirectory } = options;
  const name = basename(file);
  await using handle = await openImageFile(file);
  const { size } = await handle.stat();
  const head = Buffer.alloc(SIGNATURE_BYTES);
  const { bytesRead } = await handle.read(head, 0, head.length, 0).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const compression = detectCompression(head.subarray(0, bytesRead), name);
  const unpacked = join(workDirectory, 'base.img');
  const disk = compression === 'raw' && !isMisread(file) ? file : unpacked;
  try {
    if (compression === 'raw' && disk === unpacked) await symlink(resolve(file), unpacked);
    const { bytes, sha256 } = await unpack(options, size, compression, unpacked);
    await using reader = await open(disk, 'r');
    const table = await readPartitionTable(
      (position, length) => readAt(reader, position, length),
      bytes,
      name,
    );
    return { disk, bytes, sha256, compression, table };
  } catch (error) {
    await rm(unpacked, { force: true });
    throw error;
  }
}

/** Reads the whole file once: digest of it, digest of what is in it, and the sparse copy unless it is raw. */
async function unpack(
  { file, sha256: expected, progress, signal }: OpenImageOptions,
  size: number,
  compression: Compression,
  to: string,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const name = basename(file);
  const digest = createHash('sha256');
  let done = 0;
  progress.begin(compression === 'raw' ? `reading ${name}` : `unpacking ${name}`, size);
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      digest.update(chunk);
      done += chunk.length;
      progress.advance(done);
      callback(null, chunk);
    },
  });
  const source = createReadStream(file, { highWaterMark: READ_BYTES, ...(signal ? { signal } : {}) });
  source.on('error', (error) => counted.destroy(error));
  const content = createHash('sha256');
  let bytes = 0;
  let failure: unknown;
  const output = compression === 'raw' ? undefined : await SparseFile.create(to);
  try {
    for await (const chunk of decompress(source.pipe(counted), compression)) {
      content.update(chunk);
      bytes += chunk.length;
      await output?.append(chunk);
    }
    await output?.finish();
  } catch (error) {
    failure = error;
  } finally {
    source.destroy();
    await output?.[Symbol.asyncDispose]();
  }
  signal?.throwIfAborted();
  // A wrong download explains why it cannot be unpacked, so the digest has the first word, once all was read. One that
  // could be unpacked never goes on without it, be its file longer than it was at first.
  if (expected !== undefined && (failure === undefined || done >= size))
    checkDigest(name, digest.digest('hex'), expected);
  if (failure !== undefined) throw describeFailure(failure, name);
  progress.end();
  return { bytes, sha256: content.digest('hex') };
}

function checkDigest(name: string, actual: string, expected: string): void {
  if (actual === expected) return;
  throw new CardError(
    `${name} is not the image that --sha256 names: its SHA-256 is ${actual}, expected ${expected}; download it again`,
  );
}

function describeFailure(failure: unknown, name: string): unknown {
  const { code, message } = failure as NodeJS.ErrnoException;
  const damaged = failure instanceof ProgramError || code?.startsWith('Z_') === true;
  // With a number: an error of the system.
  if (!damaged && (failure as NodeJS.ErrnoException).errno !== undefined) return unreadable(name, failure);
  if (!damaged) return failure;
  const cut = /unexpected end|premature end|truncated/i.test(message);
  return new CardError(
    `${name} is ${cut ? 'truncated' : 'damaged'} and cannot be unpacked (${message}); download it again`,
  );
}

/** Rejects with a CardError when there is no such file, or none that can be read; its content is not looked at. */
export async function checkImageFile(file: string): Promise<void> {
  await (await openImageFile(file)).close();
}

async function openImageFile(file: string): Promise<FileHandle & AsyncDisposable> {
  try {
    const handle = await open(file, 'r');
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    throw unreadable(file, error);
  }
  throw new CardError(`${file} is not a file; --image takes a disk image`);
}

function unreadable(file: string, error: unknown): CardError {
  return new CardError(`cannot read the image ${file}: ${fileTrouble(error)}`);
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
