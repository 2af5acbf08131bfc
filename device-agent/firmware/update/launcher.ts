/**
 * Lets a release bring its own launcher. The running release's, once that is confirmed, becomes the next one
 * (`launcher.next`); the starter (`starter.sh`) tries it at a later start of the agent, and the agent that came up by
 * it gives it its place, by rename. Until then, and should it start no agent, the launcher before stays. Every step
 * may be the last one before a power cut.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#protocol/lib/logger.js';
import { syncDirectory, writeFileAtomic } from '../../lib/atomic-file.js';
import { orMissing } from '../../lib/errno.js';

/** Names of files, as the starter has them. */
const LAUNCHER = 'launcher';
const NEXT = 'launcher.next';
const STARTS = 'launcher.starts';

export interface LauncherOptions {
  readonly directory: string;
  /** Directory of the running release. */
  readonly release: string;
  /** Name of the launcher that started this process; undefined when no starter did: then all stays as it is. */
  readonly startedBy: string | undefined;
  readonly logger: Logger;
}

export class LauncherSwitch {
  readonly #options: LauncherOptions;
  #unproved: boolean;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#unproved = options.startedBy === NEXT;
  }

  /** The agent looks after its pods: whatever started it works. To be repeated when it rejects. */
  async prove(): Promise<void> {
    if (!this.#unproved) return;
    const { directory, logger } = this.#options;
    await orMissing(rename(this.#path(NEXT), this.#path(LAUNCHER)));
    this.#unproved = false;
    await rm(this.#path(STARTS), { force: true });
    await syncDirectory(directory);
    logger.info({ directory }, 'the next launcher has started this agent and takes its place');
  }

  /** The running release is confirmed: its launcher is to be used from the next start on. */
  async propose(): Promise<void> {
    const { directory, release, startedBy, logger } = this.#options;
    if (startedBy === undefined || this.#unproved) return;
    const own = await orMissing(readFile(join(release, LAUNCHER), 'utf8'));
    if (own === undefined || own === '') return;
    const [present, next] = await Promise.all(
      [LAUNCHER, NEXT].map((name) => orMissing(readFile(this.#path(name), 'utf8'))),
    );
    if (own === present && next === undefined) return;
    if (own === next && own !== present) {
      const starts = (await orMissing(readFile(this.#path(STARTS), 'utf8')))?.trim() ?? '0';
      if (starts !== '0')
        logger.warn({ starts, release }, 'the launcher of this release has not started an agent yet');
      return;
    }
    // Starts of another launcher must not count against this one.
    for (const name of [NEXT, STARTS]) await rm(this.#path(name), { force: true });
    await syncDirectory(directory);
    if (own === present) return;
    await writeFileAtomic(this.#path(NEXT), own, { mode: 0o755 });
    logger.info({ release }, 'the launcher of this release is tried at the next start');
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }
}
