/**
 * What containers do, read from the run directory and the kernel: states, exits (by watching the directory of
 * exit files, with a slow rescan in case an event is lost) and logs that have grown too large. Subscribers
 * hear of every change at least once, of exits that happened while no agent ran too.
 */
import { type FSWatcher, watch } from 'node:fs';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type Cgroups, podCgroup } from '../cgroups/cgroups.js';
import { type LogLimits, LogRotation } from './log-rotation.js';
import type { OciRuntime } from './oci-runtime.js';
import { hasArgument, isInCgroup, processStart } from './process-table.js';
import type { ContainerRecord, RunFiles } from './run-files.js';
import type { ContainerState } from './runtime.js';

/** Exit code of a container whose monitor died before it could write one. */
const LOST_EXIT_CODE = 255;

export interface ObserverOptions {
  readonly files: RunFiles;
  readonly cgroups: Cgroups;
  readonly oci: OciRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logLimits: LogLimits;
  readonly rescanIntervalMs: number;
}

export class ContainerObserver implements Disposable {
  readonly #rotation: LogRotation;
  readonly #options: ObserverOptions;
  readonly #subscribers = new Set<(id: string) => void>();
  /** States that cannot change any more. */
  readonly #exited = new Map<string, ContainerState>();
  /** Records never change while their container exists; a look costs one read of /proc for each container. */
  readonly #records = new Map<string, ContainerRecord>();
  readonly #alive = new Map<string, { readonly pid: number; readonly start: string }>();
  readonly #startedAt = new Map<string, number>();
  /** Containers of which the start is not on record yet, for good or ill; an end waits for that. */
  readonly #starting = new Set<string>();
  /** Exits that subscribers know of. */
  readonly #announced = new Set<string>();
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #disposed = false;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#rotation = new LogRotation(options.logLimits);
  }

  /** Begins to watch. The directory of exit files exists. */
  start(): void {
    this.#watcher = watch(this.#options.files.exits, { persistent: false }, (_, name) => {
      if (name !== null) void this.#inspect(name);
    });
    this.#watcher.on('error', (error) => {
      this.#options.logger.warn({ err: error }, 'cannot watch exit files; the slow rescan goes on');
      this.#watcher?.close();
    });
    this.#schedule();
  }

  subscribe(changed: (id: string) => void): Disposable {
    this.#subscribers.add(changed);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(changed) };
  }

  notify(id: string): void {
    for (const changed of this.#subscribers) changed(id);
  }

  /** To be held from before a start until it, or its failure, is on record; subscribers hear of it then. */
  starting(id: string): Disposable {
    this.#starting.add(id);
    const over = () => {
      this.#starting.delete(id);
      this.notify(id);
      void this.#inspect(id);
    };
    return { [Symbol.dispose]: over };
  }

  /** The container is being removed; its name may be used again. */
  forget(id: string): void {
    this.#exited.delete(id);
    this.#announced.delete(id);
    this.#records.delete(id);
    this.#alive.delete(id);
    this.#startedAt.delete(id);
    this.#rotation.forget(id);
  }

  get logLimits(): LogLimits {
    return this.#rotation.limits;
  }

  async list(): Promise<readonly ContainerState[]> {
    const records = await this.#list();
    return Promise.all(records.map((record) => this.#stateOf(record)));
  }

  async #list(): Promise<readonly ContainerRecord[]> {
    const ids = await this.#options.files.ids();
    const present = new Set(ids);
    for (const id of this.#records.keys()) if (!present.has(id)) this.forget(id);
    const records = await Promise.all(ids.map((id) => this.#record(id)));
    return records.filter((record) => record !== undefined);
  }

  async #record(id: string): Promise<ContainerRecord | undefined> {
    const known = this.#records.get(id);
    if (known !== undefined) return known;
    const record = await this.#options.files.record(id);
    if (record !== undefined) this.#records.set(id, record);
    return record;
  }

  /** Undefined for containers that do not exist. */
  async state(id: string): Promise<ContainerState | undefined> {
    const record = await this.#options.files.record(id);
    return record === undefined ? undefined : this.#stateOf(record);
  }

  /** Process id of the container's living first process. */
  async processOf(record: ContainerRecord): Promise<number | undefined> {
    const known = this.#alive.get(record.id);
    if (known !== undefined) {
      if ((await processStart(known.pid)) === known.start) return known.pid;
      this.#alive.delete(record.id);
      return undefined;
    }
    const pid = await this.#options.files.pid(record.id, 'pid');
    if (pid === undefined) return undefined;
    const start = await processStart(pid);
    const group = `/${podCgroup(record.key.podUid)}/${record.id}`;
    if (start === undefined || !(await isInCgroup(pid, group))) return undefined;
    this.#alive.set(record.id, { pid, start });
    return pid;
  }

  async #started(id: string): Promise<number | undefined> {
    const known = this.#startedAt.get(id);
    if (known !== undefined) return known;
    const startedAt = await this.#options.files.startedAt(id);
    if (startedAt !== undefined) this.#startedAt.set(id, startedAt);
    return startedAt;
  }

  async #stateOf(record: ContainerRecord): Promise<ContainerState> {
    const { files } = this.#options;
    const known = this.#exited.get(record.id);
    if (known !== undefined) return known;
    // Before anything is read: a start that ends in between would leave the end without its beginning.
    const starting = this.#starting.has(record.id);
    // The process first: one that ends in between leaves its exit file for the second look.
    const pid = await this.processOf(record);
    const exit = pid === undefined ? await files.exit(record.id) : undefined;
    const startedAt = await this.#started(record.id);
    const base = {
      id: record.id,
      key: record.key,
      createdAt: record.createdAt,
      oomKilled: false,
      ...(startedAt === undefined ? {} : { startedAt }),
    };
    if (exit !== undefined && starting) return { ...base, status: 'running' };
    if (exit !== undefined) return this.#exitedState(record, base, exit);
    if (pid !== undefined) {
      if (startedAt !== undefined) return { ...base, status: 'running', pid };
      return this.#unmarked(record, base, pid);
    }
    const monitor = await files.pid(record.id, 'conmon.pid');
    const created = (await files.pid(record.id, 'pid')) !== undefined;
    if (created && monitor !== undefined && (await hasArgument(monitor, record.id))) {
      // Its exit file is being written.
      return { ...base, status: startedAt === undefined ? 'created' : 'running' };
    }
    const late = await files.exit(record.id);
    if (late !== undefined && starting) return { ...base, status: 'running' };
    if (late !== undefined) return this.#exitedState(record, base, late);
    if (startedAt === undefined) return { ...base, status: 'unknown' };
    await files.writeExit(record.id, LOST_EXIT_CODE);
    const lost = await files.exit(record.id);
    return lost ? this.#exitedState(record, base, lost) : { ...base, status: 'unknown' };
  }

  /** Alive, but the agent was killed before it could note that it had started the container. */
  async #unmarked(
    record: ContainerRecord,
    base: Omit<ContainerState, 'status'>,
    pid: number,
  ): Promise<ContainerState> {
    const { oci, files, clock } = this.#options;
    const runs = (await oci.state(record.id)) === 'running';
    // A start that is under way notes its own time, and subscribers hear of it then.
    if (!runs || this.#starting.has(record.id)) return { ...base, status: 'created', pid };
    const marked = await this.#started(record.id);
    if (marked !== undefined) return { ...base, startedAt: marked, status: 'running', pid };
    const startedAt = clock.now();
    await files.markStarted(record.id, startedAt);
    return { ...base, startedAt, status: 'running', pid };
  }

  async #exitedState(
    record: ContainerRecord,
    base: Omit<ContainerState, 'status'>,
    exit: { code: number; finishedAt: number },
  ): Promise<ContainerState> {
    const { files, cgroups } = this.#options;
    let oom = await files.oomMarked(record.id);
    if (!oom && (await cgroups.oomKilled(record.key.podUid, record.id))) {
      oom = true;
      await files.markOom(record.id);
    }
    const startError = base.startedAt === undefined ? await files.startError(record.id) : undefined;
    const state: ContainerState = {
      ...base,
      ...(startError === undefined ? {} : { startError }),
      status: 'exited',
      exitCode: exit.code,
      finishedAt: Math.max(exit.finishedAt, base.startedAt ?? base.createdAt),
      // A child may be killed for memory while the container still ends well.
      oomKilled: oom && exit.code !== 0,
    };
    this.#exited.set(record.id, state);
    return state;
  }

  async #inspect(id: string): Promise<void> {
    try {
      if (this.#announced.has(id) || this.#disposed) return;
      const state = await this.state(id);
      if (state?.status !== 'exited') return;
      this.#announced.add(id);
      this.notify(id);
    } catch (error) {
      this.#options.logger.warn({ err: error, container: id }, 'cannot read the state of a container');
    }
  }

  #schedule(): void {
    if (this.#disposed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.rescanIntervalMs, () => {
      void this.rescan().finally(() => this.#schedule());
    });
  }

  /** Looks at every container once: exits nobody was told of, logs to rotate. */
  async rescan(): Promise<void> {
    try {
      for (const record of await this.#list()) {
        await this.#inspect(record.id);
        if (!this.#exited.has(record.id)) await this.#rotate(record);
      }
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the rescan of containers failed; the next one tries again');
    }
  }

  async #rotate({ id, logPath }: ContainerRecord): Promise<void> {
    try {
      await this.#rotation.look(id, logPath, this.#options.files.bundle(id));
    } catch (error) {
      this.#options.logger.warn(
        { err: error, container: id },
        'cannot rotate a log; the next look tries again',
      );
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#watcher?.close();
    this.#timer?.cancel();
    this.#subscribers.clear();
  }
}
