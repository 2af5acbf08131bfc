/** Writes a file from start to end and leaves out what is zero, so that an unpacked image takes only what it holds. */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CardError } from '../card-error.js';
import { fileTrouble } from '../lib/file-trouble.js';
import { ProgramError } from '../lib/program.js';

const BLOCK_BYTES = 2 ** 20;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export class SparseFile implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #filled = 0;
  #position = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Makes a file, mode 0600, which must not exist. */
  static async create(path: string): Promise<SparseFile> {
    return new SparseFile(path, await open(path, 'wx', 0o600));
  }

  /** Rejects with a CardError when the disk is full. */
  async append(bytes: Buffer): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const taken = rest.copy(this.#block, this.#filled);
      this.#filled += taken;
      rest = rest.subarray(taken);
      if (this.#filled === BLOCK_BYTES) await this.#flush();
    }
  }

  /** Sets the file's length; resolves with it. */
  async finish(): Promise<number> {
    await this.#flush();
    await this.#handle.truncate(this.#position);
    return this.#position;
  }

  async #flush(): Promise<void> {
    const block = this.#block.subarray(0, this.#filled);
    if (!block.equals(ZEROS.subarray(0, this.#filled))) {
      // A disk that fills up takes a part of a write first, and says so without an error.
      for (let done = 0; done < block.length; ) {
        const rest = block.subarray(done);
        const { bytesWritten } = await this.#handle
          .write(rest, 0, rest.length, this.#position + done)
          .catch((error: unknown) => {
            throw diskFull(error, this.#path);
          });
        done += bytesWritten;
      }
    }
    this.#position += this.#filled;
    this.#filled = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** What to throw for a failed write to a temporary file, or to an image that a program works on. */
export function diskFull(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const said = error instanceof ProgramError ? error.stderr : '';
  const isFull = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code ?? '');
  if (!isFull && !/No space left on device|quota exceeded|File too large/i.test(said))
    return code === undefined ? error : new CardError(`${path} cannot be written: ${fileTrouble(error)}`);
  return new CardError(
    `no space left in ${dirname(path)}, where the image is unpacked: free some, or name another directory with --work`,
  );
}

/** Copies a part of a file into a new sparse one. */
export async function copyPart(
  from: string,
  start: number,
  bytes: number,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  const source = await open(from, 'r');
  try {
    await using target = await SparseFile.create(to);
    const buffer = Buffer.alloc(BLOCK_BYTES);
    for (let done = 0; done < bytes; ) {
      signal?.throwIfAborted();
      const wanted = Math.min(BLOCK_BYTES, bytes - done);
      const { bytesRead } = await source.read(buffer, 0, wanted, start + done).catch((error: unknown) => {
        throw new CardError(`${from} cannot be read at byte ${start + done}: ${fileTrouble(error)}`);
      });
      if (bytesRead === 0)
        throw new CardError(`${from} ends at byte ${start + done}: something else has shortened it`);
      await target.append(buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
    await target.finish();
  } finally {
    await source.close();
  }
}
