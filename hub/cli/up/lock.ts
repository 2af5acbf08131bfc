/**
 * One fleet per data directory: a lock held by an open, exclusively locked file, which the kernel drops
 * when the holder dies however it dies. A second `covey up` is told who holds it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from '../command.js';

/** Takes the lock of a directory. Rejects with a CommandError that names the process which holds it. */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const path = join(directory, 'up.lock');
  // util-linux' flock holds the lock for as long as its child, a cat on our pipe, sees no end of file.
  const holder = spawn('flock', ['--nonblock', '--no-fork', path, 'cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (!(await isHeld(holder))) {
    const pid = (await readFile(path, 'utf8')).trim();
    throw new CommandError(
      `${directory} is in use by another covey up (process ${pid}); stop that one first`,
    );
  }
  await writeFile(path, `${process.pid}\n`);
  return {
    async [Symbol.asyncDispose]() {
      const gone = once(holder, 'exit');
      holder.stdin?.end();
      await gone;
    },
  };
}

async function isHeld(holder: ChildProcess): Promise<boolean> {
  const ended = once(holder, 'exit').then(() => false);
  const echoed = once(holder.stdout as NonNullable<typeof holder.stdout>, 'data').then(() => true);
  holder.stdin?.write('locked\n');
  holder.stdin?.on('error', () => undefined);
  return Promise.race([ended, echoed]);
}
