/**
 * Bounds the size of a container's log: `<log>` becomes `<log>.1` (older ones move up, the oldest goes), and
 * conmon is told by its control pipe to open `<log>` anew, so no line is copied and none is lost.
 */
import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno, orMissing } from '../lib/errno.js';

export interface LogLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** conmon's control message: 2 means reopen the logs; both numbers after it are unused. */
const REOPEN = '2 0 0\n';

/**
 * Rotates when the log is larger than allowed, or goes on with a rotation that was cut off before conmon was told.
 * True when conmon was told.
 */
export async function rotateLog(logPath: string, bundle: string, limits: LogLimits): Promise<boolean> {
  const info = await orMissing(stat(logPath));
  // conmon has had the log open from its start: where it is not there, conmon still writes to the renamed one.
  if (info === undefined) return reopen(bundle);
  if (info.size <= limits.maxBytes) return false;
  for (let index = limits.maxFiles - 1; index >= 1; index -= 1) {
    const from = index === 1 ? logPath : `${logPath}.${index - 1}`;
    await orMissing(rename(from, `${logPath}.${index}`));
  }
  if (limits.maxFiles <= 1) await rm(logPath, { force: true });
  return reopen(bundle);
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
