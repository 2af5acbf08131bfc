/** Where this machine keeps what it must not forget of cards: claims of unfinished ones, and locks of targets. */
import { access, constants, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import type { Clock } from '#protocol/lib/clock.js';
import { CommandError } from '../command.js';

/** Files, one with a claim in it maybe, and turns at locks of runs that were killed between two of their steps. */
const LEFT_BEHIND = /\.tmp$|\.lock\.([0-9a-f-]{36}|turn)$/;
/** A run that is at work needs them for moments only. */
const ABANDONED_MS = 24 * 3_600_000;

export interface StateDirectoryOptions {
  /** By default `~/.local/state/covey/flash`. */
  readonly given: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Pick<Clock, 'now'>;
}

/** Made, and cleaned of what killed runs have left. Rejects with a CommandError. */
export async function openStateDirectory({ given, env, clock }: StateDirectoryOptions): Promise<string> {
  const directory = resolve(given ?? defaultStateDirectory(env));
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const name of await readdir(directory)) {
      if (!LEFT_BEHIND.test(name)) continue;
      const path = join(directory, name);
      // Another run may have removed it.
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && clock.now() - found.mtimeMs > ABANDONED_MS)
        await rm(path, { recursive: true, force: true });
    }
  } catch (error) {
    throw new CommandError(
      `cannot keep claims in ${directory}: ${fileTrouble(error)}; name another directory with --state`,
    );
  }
  return directory;
}

function defaultStateDirectory(env: NodeJS.ProcessEnv): string {
  const base = env['XDG_STATE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.local/state') : base, 'covey/flash');
}
