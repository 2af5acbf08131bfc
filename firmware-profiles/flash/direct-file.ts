/**
 * A file or block device as a target, with direct I/O: writes go to the medium and reads come from it, not from the
 * page cache. A file system that refuses direct I/O gets ordinary I/O and fsync. A block device is opened
 * exclusively, so a mount or another writer is refused by the kernel as well.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { CardError } from '../card-error.js';
import { fileTrouble } from '../lib/file-trouble.js';
import { TARGET_ALIGNMENT, type Target } from './target.js';

const { O_RDWR, O_CREAT, O_EXCL, O_DIRECT = 0 } = constants;
const MODE = 0o600;

/** What becomes of a file: it is made and must not be there yet, its content stays, or its content goes. */
export type FileUse = 'make' | 'keep' | 'empty';

export interface OpenDeviceOptions {
  readonly path: string;
  readonly bytes: number;
  /** Another user of the device is tolerated; only for one who was told twice. */
  readonly shared: boolean;
}

export class DirectFile implements Target {
  readonly path: string;
  readonly bytes: number;
  readonly sparse: boolean;
  readonly #flags: number;
  #handle: FileHandle;
  #isDirect = O_DIRECT !== 0;

  private constructor(handle: FileHandle, flags: number, named: Pick<Target, 'path' | 'bytes' | 'sparse'>) {
    this.path = named.path;
    this.bytes = named.bytes;
    this.sparse = named.sparse;
    this.#flags = flags;
    this.#handle = handle;
  }

  /** A file of `bytes`. A card in it is one person's: mode 0600. When its size is refused, what was there stays. */
  static async openFile(path: string, bytes: number, use: FileUse): Promise<DirectFile> {
    const handle = await openDirect(path, O_RDWR | O_CREAT | (use === 'make' ? O_EXCL : 0)).catch(
      (error: NodeJS.ErrnoException) => {
        const remedy: Readonly<Record<string, string>> = {
          ENOENT: 'there is no directory for it',
          EEXIST: 'something else has just been put there, or it is a link that leads nowhere',
        };
        throw new CardError(`cannot write ${path}: ${remedy[error.code ?? ''] ?? fileTrouble(error)}`);
      },
    );
    try {
      await handle.truncate(bytes);
      if (use === 'empty') {
        await handle.truncate(0);
        await handle.truncate(bytes);
      }
    } catch (error) {
      await handle.close();
      if (use === 'make') await rm(path, { force: true });
      const failure = error as NodeJS.ErrnoException;
      if (failure.code !== 'EFBIG') throw writeError(failure, path, 0);
      throw new CardError(
        `the file system of ${path} takes no file of ${bytes} bytes: choose a smaller --size`,
      );
    }
    return new DirectFile(handle, O_RDWR, { path, bytes, sparse: true });
  }

  static async openDevice({ path, bytes, shared }: OpenDeviceOptions): Promise<DirectFile> {
    const flags = O_RDWR | (shared ? 0 : O_EXCL);
    const handle = await openDirect(path, flags).catch((error: NodeJS.ErrnoException) => {
      const remedy: Readonly<Record<string, string>> = {
        EBUSY: 'it is in use: unmount it, and close what uses it',
        EACCES: 'no permission: run as root, or join the group that owns it',
        EPERM: 'no permission: run as root',
        EROFS: 'it is write-protected: look at the switch of the card',
      };
      throw new CardError(`cannot open ${path}: ${remedy[error.code ?? ''] ?? error.message}`);
    });
    return new DirectFile(handle, flags, { path, bytes, sparse: false });
  }

  async write(buffer: Buffer, position: number): Promise<void> {
    const { bytesWritten } = await this.#attempt((handle) =>
      handle.write(buffer, 0, buffer.length, position),
    ).catch((error: NodeJS.ErrnoException) => {
      throw writeError(error, this.path, position);
    });
    if (bytesWritten < buffer.length) throw noSpace(this.path, position + bytesWritten);
  }

  async read(buffer: Buffer, position: number): Promise<void> {
    const bytesRead = await this.#attempt((handle) => handle.read(buffer, 0, buffer.length, position))
      .then((result) => result.bytesRead)
      .catch((error: Error) => {
        throw new CardError(`${this.path} cannot be read at byte ${position}: ${error.message}`);
      });
    if (bytesRead < buffer.length) throw new CardError(`${this.path} ends at byte ${position + bytesRead}`);
  }

  async clear(): Promise<void> {
    try {
      await this.#handle.truncate(0);
      await this.#handle.truncate(this.bytes);
    } catch (error) {
      throw writeError(error as NodeJS.ErrnoException, this.path, 0);
    }
  }

  async sync(): Promise<void> {
    await this.#handle.sync().catch((error: Error) => {
      throw new CardError(`${this.path} did not keep what was written: ${error.message}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  /** Some file systems let a file be opened for direct I/O and refuse the first of it. */
  async #attempt<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    try {
      return await work(this.#handle);
    } catch (error) {
      if (!this.#isDirect || (error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    }
    this.#isDirect = false;
    await this.#handle.close();
    this.#handle = await open(this.path, this.#flags, MODE);
    return work(this.#handle);
  }
}

/** For ordinary I/O where direct I/O is refused. */
async function openDirect(path: string, flags: number): Promise<FileHandle> {
  if (O_DIRECT === 0) return open(path, flags, MODE);
  try {
    return await open(path, flags | O_DIRECT, MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  }
  // A file that was to be made has been made by the refused call.
  return open(path, (flags & O_CREAT) === 0 ? flags : flags & ~O_EXCL, MODE);
}

function noSpace(path: string, position: number): CardError {
  return new CardError(
    `no space left for ${path} at byte ${position}: free some and run the same command again`,
  );
}

function writeError({ code, message }: NodeJS.ErrnoException, path: string, position: number): CardError {
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return noSpace(path, position);
  return new CardError(`writing ${path} failed at byte ${position}: ${message}`);
}

/** The size that a file gets for `bytes` of content. */
export function alignedSize(bytes: number): number {
  return Math.ceil(bytes / TARGET_ALIGNMENT) * TARGET_ALIGNMENT;
}

/** Whether there is something at the path, and what. */
export async function kindOf(path: string): Promise<'none' | 'file' | 'device' | 'other'> {
  try {
    const found = await stat(path);
    if (found.isFile()) return 'file';
    // /dev/rdiskN of macOS is a character device.
    return found.isBlockDevice() || (found.isCharacterDevice() && /^\/dev\/rdisk\d+$/.test(path))
      ? 'device'
      : 'other';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw error;
  }
}
