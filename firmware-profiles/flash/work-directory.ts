/**
 * A private directory for unpacked images and customised partitions, removed with its owner. What a killed run has
 * left behind is removed by the next one: the name says whose process it was.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CardError } from '../card-error.js';
import { isMisread } from '../image/volume.js';
import { isProcessAlive } from '../lib/process-alive.js';

const PREFIX = 'covey-flash-';
const LARGE_TEMPORARY = '/var/tmp';

export class WorkDirectory implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** In `parent`, or where the system has room for large temporary files. */
  static async create(parent = defaultParent()): Promise<WorkDirectory> {
    if (isMisread(parent))
      throw new CardError(
        `cannot work in ${parent}: its path has @@ or one of ? " $ * \` | \\ in it, which mtools and debugfs misread; name another with --work`,
      );
    try {
      await mkdir(parent, { recursive: true });
      await removeAbandoned(parent);
      return new WorkDirectory(await mkdtemp(join(parent, `${PREFIX}${process.pid}-`)));
    } catch (error) {
      throw new CardError(`cannot work in ${parent}: ${(error as Error).message}; name another with --work`);
    }
  }

  /** A directory in it, for one card. */
  async sub(): Promise<WorkDirectory> {
    return new WorkDirectory(await mkdtemp(join(this.path, 'card-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isProcessAlive(Number(pid))) continue;
    // Another user's stays; it is not in the way.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** /tmp may be memory. */
function defaultParent(): string {
  const chosen = process.env['TMPDIR'];
  if (chosen !== undefined && chosen !== '') return chosen;
  return existsSync(LARGE_TEMPORARY) ? LARGE_TEMPORARY : tmpdir();
}
