/**
 * The runtime's files below the run directory (tmpfs). They are the only state: whoever reads them with the
 * kernel's process table knows every container, so the agent may be killed at any instant.
 *
 *     containers/<id>/record.json   who the container is; written before anything is started
 *     containers/<id>/config.json   OCI configuration (the bundle); `pid`, `conmon.pid`, `ctl` come from conmon
 *     containers/<id>/started       milliseconds at which start succeeded
 *     containers/<id>/start-error   why the last start failed; means nothing once there is `started`
 *     exits/<id>                    exit code, written by conmon; its time is the time of the exit
 *     persist/<id>/oom              present when the kernel killed a process for lack of memory
 *     oci/                          state of crun or runc
 */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';
import { KeyedMutex } from '../lib/keyed-mutex.js';
import type { OciConfig } from './oci-types.js';
import type { ContainerKey } from './runtime.js';

export interface ContainerRecord {
  readonly id: string;
  readonly key: ContainerKey;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly logPath: string;
}

export class RunFiles {
  readonly containers: string;
  readonly exits: string;
  readonly persist: string;
  readonly ociState: string;
  readonly execs: string;
  /** One writer of a mark at a time: whoever starts a container and whoever looks at it may both set one. */
  readonly #marks = new KeyedMutex();

  constructor(runDir: string) {
    this.containers = join(runDir, 'containers');
    this.exits = join(runDir, 'exits');
    this.persist = join(runDir, 'persist');
    this.ociState = join(runDir, 'oci');
    this.execs = join(runDir, 'execs');
  }

  bundle(id: string): string {
    return join(this.containers, id);
  }

  /** Ids of all containers, those whose creation was cut off included. */
  async ids(): Promise<readonly string[]> {
    return (await orMissing(readdir(this.containers))) ?? [];
  }

  async record(id: string): Promise<ContainerRecord | undefined> {
    const text = await orMissing(readFile(join(this.bundle(id), 'record.json'), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as ContainerRecord);
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    const path = join(this.bundle(record.id), 'record.json');
    await writeFileAtomic(path, JSON.stringify(record), { durable: false });
  }

  async writeConfig(id: string, config: OciConfig): Promise<void> {
    await writeFile(join(this.bundle(id), 'config.json'), JSON.stringify(config), { mode: 0o600 });
  }

  /** Process id that conmon wrote; undefined before that. */
  async pid(id: string, file: 'pid' | 'conmon.pid'): Promise<number | undefined> {
    const text = await orMissing(readFile(join(this.bundle(id), file), 'utf8'));
    const pid = Number(text);
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  }

  async startedAt(id: string): Promise<number | undefined> {
    const text = await orMissing(readFile(join(this.bundle(id), 'started'), 'utf8'));
    return text === undefined ? undefined : Number(text);
  }

  async markStarted(id: string, at: number): Promise<void> {
    await this.#mark(join(this.bundle(id), 'started'), String(at));
  }

  async startError(id: string): Promise<string | undefined> {
    return await orMissing(readFile(join(this.bundle(id), 'start-error'), 'utf8'));
  }

  async markStartError(id: string, message: string): Promise<void> {
    await this.#mark(join(this.bundle(id), 'start-error'), message);
  }

  async exit(id: string): Promise<{ code: number; finishedAt: number } | undefined> {
    const path = join(this.exits, id);
    const text = await orMissing(readFile(path, 'utf8'));
    const info = await orMissing(stat(path));
    if (text === undefined || info === undefined || text.trim() === '') return undefined;
    return { code: Number(text.trim()), finishedAt: Math.round(info.mtimeMs) };
  }

  /** Stands in for conmon when it died before it could write the code. */
  async writeExit(id: string, code: number): Promise<void> {
    await this.#mark(join(this.exits, id), String(code));
  }

  async oomMarked(id: string): Promise<boolean> {
    for (const path of [join(this.persist, id, 'oom'), join(this.bundle(id), 'oom')]) {
      if ((await orMissing(stat(path))) !== undefined) return true;
    }
    return false;
  }

  async markOom(id: string): Promise<void> {
    await this.#mark(join(this.persist, id, 'oom'), '');
  }

  async #mark(path: string, text: string): Promise<void> {
    await this.#marks.run(path, () => writeFileAtomic(path, text, { durable: false }));
  }
}
