/**
 * A packed layer file → a directory for overlayfs. The uncompressed bytes are verified against the image's
 * diff id before the result counts; a full disk is noticed before it is quite full.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { type Duplex, type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { extract } from 'tar-stream';
import { hasErrno } from '../lib/errno.js';
import { ImageError } from './image-store.js';
import { LayerWriter } from './layer-writer.js';
import { markOpaque } from './opaque.js';

export interface UnpackOptions {
  readonly blob: string;
  readonly compression: 'none' | 'gzip' | 'zstd';
  readonly diffId: string;
  readonly root: string;
  readonly scratch: string;
  /** Bytes of disk that stay free. */
  readonly reserveBytes: number;
  readonly signal: AbortSignal;
}

export interface UnpackedLayer {
  readonly sizeBytes: number;
  readonly skippedDevices: number;
  /** Nothing of the layers below is visible. */
  readonly opaqueRoot: boolean;
}

/** Bytes between two looks at the free space. */
const SPACE_CHECK_BYTES = 16 * 1024 * 1024;

/** Rejects with ImageError, or with the file system's error; the caller throws the directory away then. */
export async function unpackLayer(options: UnpackOptions): Promise<UnpackedLayer> {
  const hash = createHash('sha256');
  const writer = new LayerWriter({ root: options.root, scratch: options.scratch });
  const archive = extract();
  const measured = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const plain = plainArchive(options);
  const fed = pipeline(plain.stream, measured, archive, { signal: options.signal });
  // The loop below reports the failure; without a handler here it would be reported twice.
  fed.catch(() => undefined);
  let checked = 0;
  try {
    for await (const entry of archive) {
      options.signal.throwIfAborted();
      if (writer.bytes - checked > SPACE_CHECK_BYTES) {
        checked = writer.bytes;
        await requireSpace(options.root, options.reserveBytes);
      }
      await writer.write(entry.header, entry as unknown as Readable);
    }
    await fed;
    await plain.complete;
  } catch (error) {
    plain.stream.destroy();
    options.signal.throwIfAborted();
    // A damaged or missing decompressor ends the archive early: its own words say more.
    const cause = await Promise.race([plain.complete.then(() => error), Promise.resolve(error)]).catch(
      (e) => e,
    );
    throw described(cause, options.diffId);
  }
  const diffId = `sha256:${hash.digest('hex')}`;
  if (diffId !== options.diffId)
    throw new ImageError(
      'DigestMismatch',
      `layer unpacks to ${diffId}, the image promises ${options.diffId}`,
    );
  await writer.finish();
  await markOpaque(options.root, writer.opaque, options.scratch);
  return {
    sizeBytes: writer.bytes,
    skippedDevices: writer.skippedDevices,
    opaqueRoot: writer.opaque.has(''),
  };
}

/** Rejects with ImageError DiskFull when less than `reserveBytes` are free where `path` is. */
export async function requireSpace(path: string, reserveBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize >= reserveBytes) return;
  throw new ImageError(
    'DiskFull',
    `disk is full: ${Math.floor((bavail * bsize) / 2 ** 20)} MiB free, ${Math.ceil(reserveBytes / 2 ** 20)} MiB needed`,
  );
}

interface PlainArchive {
  readonly stream: Readable;
  /** Resolves when the whole archive was unpacked without damage. */
  readonly complete: Promise<void>;
}

/** The uncompressed bytes of the layer file. */
function plainArchive(options: UnpackOptions): PlainArchive {
  const native = (zlib as { createZstdDecompress?: () => Duplex }).createZstdDecompress;
  if (options.compression === 'zstd' && native === undefined) return zstdProgram(options.blob);
  const file = createReadStream(options.blob);
  if (options.compression === 'none') return { stream: file, complete: Promise.resolve() };
  const unpack = options.compression === 'gzip' || native === undefined ? zlib.createGunzip() : native();
  const complete = pipeline(file, unpack, { signal: options.signal });
  complete.catch(() => undefined);
  return { stream: unpack, complete };
}

/** The `zstd` program, where Node has no decompressor of its own. */
function zstdProgram(path: string): PlainArchive {
  const child = spawn('zstd', ['-dc', '--long=27', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const complete = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => {
      const missing = 'layer is packed with zstd, which is not installed (apt-get install zstd)';
      reject(new ImageError('ErrImagePull', hasErrno(error, 'ENOENT') ? missing : error.message, error));
    });
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new ImageError('ErrImagePull', `zstd cannot unpack the layer (exit status ${code})`));
    });
  });
  complete.catch(() => undefined);
  return { stream: child.stdout, complete };
}

function described(error: unknown, diffId: string): unknown {
  if (error instanceof ImageError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new ImageError('DiskFull', `no space left while unpacking layer ${diffId}`, error);
  const message = error instanceof Error ? error.message : String(error);
  return new ImageError('ErrImagePull', `layer ${diffId} cannot be unpacked: ${message}`, error);
}
