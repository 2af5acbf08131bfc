/**
 * Bounds the size of a container's log: `<log>` becomes `<log>.1` (older ones move up, the oldest goes), and
 * conmon is told by its control pipe to open `<log>` anew, so no line is copied and none is lost.
 */
import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, orMissing } from '../lib/errno.js';

export interface LogLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** conmon's control message: 2 means reopen the logs; both numbers after it are unused. */
const REOPEN = '2 0 0\n';

/** Looks at the logs of running containers, one at a time and one container after the other. */
export class LogRotation {
  readonly limits: LogLimits;
  /** Containers whose conmon has its log in place, or was told to: told again, it would throw away what it wrote since. */
  readonly #inPlace = new Set<string>();

  constructor(limits: LogLimits) {
    this.limits = limits;
  }

  /**
   * Rotates when the log is larger than allowed, or goes on with a rotation that was cut off before conmon was
   * told. True when conmon was told.
   */
  async look(id: string, logPath: string, bundle: string): Promise<boolean> {
    const info = await orMissing(stat(logPath));
    if (info === undefined) {
      if (this.#inPlace.has(id) || !(await this.#wasRenamed(logPath))) return false;
    } else {
      this.#inPlace.add(id);
      if (info.size <= this.limits.maxBytes) return false;
      this.#inPlace.delete(id);
      await this.#moveUp(logPath);
    }
    // At its own limit conmon opens a new log untold; told then, it would throw that away.
    const told = (await orMissing(stat(logPath))) === undefined && (await reopen(bundle));
    this.#inPlace.add(id);
    return told;
  }

  /** The container is gone; its name may be used again. */
  forget(id: string): void {
    this.#inPlace.delete(id);
  }

  async #moveUp(logPath: string): Promise<void> {
    const { maxFiles } = this.limits;
    for (let index = maxFiles - 1; index >= 1; index -= 1) {
      const from = index === 1 ? logPath : `${logPath}.${index - 1}`;
      await orMissing(rename(from, `${logPath}.${index}`));
    }
    if (maxFiles <= 1) await rm(logPath, { force: true });
  }

  /** Whether a missing log is one that was rotated: conmon ends when it cannot open a log anew. */
  async #wasRenamed(logPath: string): Promise<boolean> {
    const witness = this.limits.maxFiles > 1 ? `${logPath}.1` : dirname(logPath);
    return (await orMissing(stat(witness))) !== undefined;
  }
}

async function reopen(bundle: string): Promise<boolean> {
  try {
    const pipe = await open(join(bundle, 'ctl'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await pipe.write(REOPEN);
    } finally {
      await pipe.close();
    }
    return true;
  } catch (error) {
    // conmon has ended: nobody writes the log any more.
    if (hasErrno(error, 'ENXIO', 'ENOENT')) return false;
    throw error;
  }
}

/** Deletes a log and its rotated files. */
export async function removeLogs(logPath: string, maxFiles: number): Promise<void> {
  await rm(logPath, { force: true });
  for (let index = 1; index < maxFiles; index += 1) await rm(`${logPath}.${index}`, { force: true });
}
