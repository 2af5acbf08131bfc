/**
 * Where the agent keeps what belongs to one pod. Logs are on disk and outlive reboots; termination messages
 * and the run record are on tmpfs and vanish with the sandbox that they belong to.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { orMissing } from './errno.js';

const LOG_FILE = /^(\d+)\.log(?:\.\d+)?$/;

export class PodPaths {
  readonly #dataDir: string;
  readonly #runDir: string;

  constructor(dataDir: string, runDir: string) {
    this.#dataDir = dataDir;
    this.#runDir = runDir;
  }

  logDirectory(podUid: string, container?: string): string {
    return join(this.#dataDir, 'logs', podUid, ...(container === undefined ? [] : [container]));
  }

  log(podUid: string, container: string, attempt: number): string {
    return join(this.logDirectory(podUid, container), `${attempt}.log`);
  }

  runDirectory(podUid: string): string {
    return join(this.#runDir, 'agent', podUid);
  }

  terminationMessage(podUid: string, container: string, attempt: number): string {
    return join(this.runDirectory(podUid), `${container}-${attempt}.termination`);
  }

  /** Pods that have logs here. */
  async podsWithLogs(): Promise<readonly string[]> {
    return (await orMissing(readdir(join(this.#dataDir, 'logs')))) ?? [];
  }

  /** Highest run number of each container that has a log here. */
  async highestAttempts(podUid: string): Promise<Record<string, number>> {
    const highest: Record<string, number> = {};
    for (const name of (await orMissing(readdir(this.logDirectory(podUid)))) ?? [])
      for (const attempt of await this.loggedAttempts(podUid, name))
        highest[name] = Math.max(highest[name] ?? -1, attempt);
    return highest;
  }

  /** Run numbers of which a log is here, lowest first. */
  async loggedAttempts(podUid: string, container: string): Promise<readonly number[]> {
    const files = (await orMissing(readdir(this.logDirectory(podUid, container)))) ?? [];
    const attempts = new Set<number>();
    for (const file of files) {
      const match = LOG_FILE.exec(file);
      if (match !== null) attempts.add(Number(match[1]));
    }
    return [...attempts].sort((a, b) => a - b);
  }

  /** Removes the logs and termination messages of runs before `attempt`. */
  async pruneRuns(podUid: string, container: string, attempt: number): Promise<void> {
    const directory = this.logDirectory(podUid, container);
    for (const file of (await orMissing(readdir(directory))) ?? []) {
      const match = LOG_FILE.exec(file);
      if (match !== null && Number(match[1]) < attempt) await rm(join(directory, file), { force: true });
    }
    for (let old = attempt - 1; old >= Math.max(0, attempt - 2); old--)
      await rm(this.terminationMessage(podUid, container, old), { force: true });
  }

  /** Removes everything of a pod that is gone. */
  async removeAll(podUid: string): Promise<void> {
    await rm(this.logDirectory(podUid), { recursive: true, force: true });
    await rm(this.runDirectory(podUid), { recursive: true, force: true });
  }
}
