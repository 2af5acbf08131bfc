/**
 * Keeps the access list of a Mosquitto beside the hub: writes the file when the devices change, and makes the
 * broker read it with SIGHUP. A broker that does not run reads the list when it starts. Writes follow each
 * other in the order in which they were asked for.
 */
import { readFile } from 'node:fs/promises';
import { isMissing, readFileIfPresent, writeFileDurably } from '#hub/lib/files.js';
import { mosquittoAccessList } from './mosquitto.js';

export interface AccessListOptions {
  readonly file: string;
  /** Where the broker writes its process id; undefined: somebody else tells it. */
  readonly pidFile: string | undefined;
  /** Common names of certificates that may read `monitor/`. */
  readonly readers: readonly string[];
}

/** Mosquitto reads its list before it drops its rights or as its own user: it holds names only, no secrets. */
const MODE = 0o644;

/** Rejects with an Error that names the file when it cannot be written or the broker cannot be signalled. */
export function accessListWriter(options: AccessListOptions): (devices: readonly string[]) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (devices) => {
    const next = () => write(options, devices);
    last = last.then(next, next);
    return last;
  };
}

async function write(
  { file, pidFile, readers }: AccessListOptions,
  devices: readonly string[],
): Promise<void> {
  const list = mosquittoAccessList(devices, readers);
  try {
    if ((await readFileIfPresent(file)) !== list) await writeFileDurably(file, list, MODE);
  } catch (error) {
    throw new Error(`the broker's access list cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
  // Also when the file was right already: the broker may have missed an earlier signal.
  if (pidFile !== undefined) await reload(pidFile);
}

async function reload(pidFile: string): Promise<void> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim());
    if (!Number.isSafeInteger(pid) || pid <= 1) throw new Error('it holds no process id');
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw new Error(
      `the broker of ${pidFile} was not told of its new access list: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
