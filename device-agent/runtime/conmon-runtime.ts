/**
 * The real runtime: every container is created by crun or runc under a conmon of its own. Nothing is
 * remembered that cannot be read again from the run directory and the kernel; killing the agent at any
 * instant leaves containers running and loses no exit.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Container } from '#protocol/core/v1/container.js';
import { signalProcess } from '../cgroups/cgroup-tree.js';
import type { Cgroups } from '../cgroups/cgroups.js';
import { hasErrno, orMissing } from '../lib/errno.js';
import { KeyedMutex } from '../lib/keyed-mutex.js';
import { attachInput } from './attached-input.js';
import { createUnderConmon } from './conmon.js';
import type { ContainerObserver } from './container-observer.js';
import { startExec } from './exec-session.js';
import { lookUpEnvironment } from './oci-environment.js';
import type { OciRuntime } from './oci-runtime.js';
import { ociConfig } from './oci-spec.js';
import type { OciConfig } from './oci-types.js';
import type { RuntimeOptions } from './options.js';
import { hasArgument, processesWithArgument } from './process-table.js';
import type { RunFiles } from './run-files.js';
import {
  type AttachedInput,
  type ContainerSpec,
  type ContainerState,
  type ContainerUsage,
  containerId,
  type ExecRequest,
  type ExecSession,
  type PodLimits,
  type Runtime,
  RuntimeError,
} from './runtime.js';
import { signalNumber } from './signals.js';

export interface ConmonRuntimeParts {
  readonly options: RuntimeOptions;
  readonly conmon: string;
  readonly oci: OciRuntime;
  readonly cgroups: Cgroups;
  readonly files: RunFiles;
  readonly observer: ContainerObserver;
  /** Capabilities that containers may be given. */
  readonly available: ReadonlySet<string>;
  readonly oomScoreAdjustable: boolean;
}

const DEFAULT_PIDS = 1024;
const CREATE_TIMEOUT_MS = 60_000;
const CONMON_EXIT_MS = 3_000;
const SIGKILL = 9;

export class ConmonRuntime implements Runtime {
  readonly version: string;
  readonly #parts: ConmonRuntimeParts;
  readonly #containers = new KeyedMutex();
  /** Pods whose own pids limit takes the place of the default one. */
  readonly #podPids = new Map<string, number>();
  #oomScoreAdjustable: boolean;
  #execs = 0;

  constructor(parts: ConmonRuntimeParts) {
    this.#parts = parts;
    this.version = `${parts.oci.name}://${parts.oci.version}`;
    this.#oomScoreAdjustable = parts.oomScoreAdjustable;
  }

  async createPodCgroup(podUid: string, limits: PodLimits): Promise<void> {
    if (limits.pids === undefined) this.#podPids.delete(podUid);
    else this.#podPids.set(podUid, limits.pids);
    await this.#parts.cgroups.createPod(podUid, limits);
  }

  async removePodCgroup(podUid: string): Promise<void> {
    this.#podPids.delete(podUid);
    await this.#parts.cgroups.removePod(podUid);
  }

  create(spec: ContainerSpec): Promise<void> {
    const id = containerId(spec.key);
    return this.#containers.run(id, async () => {
      const state = await this.#parts.observer.state(id);
      if (state !== undefined && state.status !== 'unknown') return;
      // A creation that was cut off leaves parts behind, never a container worth keeping.
      await this.#stopCreation(id);
      await this.#remove(id, spec.key.podUid);
      try {
        await this.#create(id, spec);
      } catch (error) {
        await this.#stopCreation(id);
        await this.#remove(id, spec.key.podUid);
        throw error instanceof RuntimeError
          ? error
          : new RuntimeError('CreateContainerError', messageOf(error), error);
      }
      this.#parts.observer.notify(id);
    });
  }

  async #create(id: string, spec: ContainerSpec): Promise<void> {
    const { files, options, cgroups } = this.#parts;
    const bundle = files.bundle(id);
    await mkdir(bundle, { recursive: true, mode: 0o700 });
    await mkdir(join(files.persist, id), { recursive: true, mode: 0o700 });
    await mkdir(dirname(spec.logPath), { recursive: true, mode: 0o755 });
    await files.writeRecord({ id, key: spec.key, createdAt: options.clock.now(), logPath: spec.logPath });
    await this.#launch(id, spec);
    const monitor = await files.pid(id, 'conmon.pid');
    if (monitor !== undefined) await cgroups.adoptMonitor(monitor);
  }

  async #launch(id: string, spec: ContainerSpec): Promise<void> {
    const { options, files, conmon, oci, available, cgroups } = this.#parts;
    const environment = await lookUpEnvironment(spec, {
      dataDir: options.dataDir,
      runDir: options.runDir,
      cgroups,
      available,
      pidsLimit: this.#podPids.get(spec.key.podUid) ?? options.defaultPidsLimit ?? DEFAULT_PIDS,
      oomScoreAdjustable: this.#oomScoreAdjustable,
    });
    await files.writeConfig(id, ociConfig(spec, environment));
    try {
      await createUnderConmon({
        conmon,
        runtime: oci.path,
        runtimeArguments: oci.globalArguments,
        id,
        name: spec.key.name,
        bundle: files.bundle(id),
        logPath: spec.logPath,
        logHardLimitBytes: this.#parts.observer.logLimits.maxBytes * 2,
        exitDirectory: files.exits,
        persistDirectory: join(files.persist, id),
        terminal: spec.container.tty === true,
        stdin: stdinOf(spec.container),
        timeoutMs: CREATE_TIMEOUT_MS,
        clock: options.clock,
      });
    } catch (error) {
      const about = error instanceof RuntimeError && /oom_score_adj/.test(error.message);
      if (!about || !this.#oomScoreAdjustable) throw error;
      options.logger.warn({}, 'this machine refuses to lower oom_score_adj: containers run without it');
      this.#oomScoreAdjustable = false;
      await oci.forceDelete(id);
      await this.#launch(id, spec);
    }
  }

  start(id: string): Promise<void> {
    return this.#containers.run(id, async () => {
      const { observer, files, oci, options } = this.#parts;
      const state = await observer.state(id);
      if (state === undefined) throw notFound(id);
      if (state.status === 'running' || state.status === 'exited') return;
      using _starting = observer.starting(id);
      const failure = await rejection(oci.start(id));
      if (failure === undefined) {
        await files.markStarted(id, options.clock.now());
        return;
      }
      await files.markStartError(id, messageOf(failure));
      throw new RuntimeError('RunContainerError', messageOf(failure), failure);
    });
  }

  async kill(id: string, signal: string): Promise<void> {
    const number = signalNumber(signal);
    const { files, cgroups, observer } = this.#parts;
    const record = await files.record(id);
    if (record === undefined) return;
    if (number === SIGKILL) {
      await cgroups.killContainer(record.key.podUid, id);
      return;
    }
    const pid = await observer.processOf(record);
    if (pid !== undefined) signalProcess(pid, number);
  }

  delete(id: string): Promise<void> {
    return this.#containers.run(id, async () => {
      const { files, observer } = this.#parts;
      const record = await files.record(id);
      const state = await observer.state(id);
      if (state?.status === 'running')
        throw new RuntimeError('RunContainerError', `container ${id} still runs: kill it first`);
      const podUid = record?.key.podUid ?? (await this.#podOf(id));
      if (state?.status === 'unknown') await this.#stopCreation(id);
      await this.#remove(id, podUid);
    });
  }

  /** Ends a conmon and its `create` that an earlier agent left at work: they know the bundle by its path. */
  async #stopCreation(id: string): Promise<void> {
    const { files, options } = this.#parts;
    const deadline = options.clock.monotonic() + CONMON_EXIT_MS;
    while (options.clock.monotonic() < deadline) {
      const pids = await processesWithArgument(files.bundle(id));
      if (pids.length === 0) return;
      for (const pid of pids) signalProcess(pid, 'SIGKILL');
      await options.clock.sleep(10);
    }
  }

  /** The pod that a container without a record belonged to, by its name. */
  async #podOf(id: string): Promise<string | undefined> {
    const pods = await this.#parts.cgroups.listPods();
    return pods.find((uid) => id.startsWith(`${uid}-`));
  }

  /** Takes away every trace of a container except its log. */
  async #remove(id: string, podUid: string | undefined): Promise<void> {
    const { oci, files, cgroups, observer } = this.#parts;
    const known = (await orMissing(readFile(join(files.ociState, id, 'state.json')))) !== undefined;
    const left = (await orMissing(readFile(join(files.ociState, id, 'status')))) !== undefined;
    if (known || left) await oci.forceDelete(id);
    await this.#awaitMonitor(id);
    if (podUid !== undefined) await cgroups.removeContainer(podUid, id);
    observer.forget(id);
    await rm(join(files.ociState, id), { recursive: true, force: true });
    await rm(files.bundle(id), { recursive: true, force: true });
    await rm(join(files.persist, id), { recursive: true, force: true });
    await rm(join(files.exits, id), { force: true });
  }

  /** conmon ends by itself once its container has; one that does not is killed. */
  async #awaitMonitor(id: string): Promise<void> {
    const { files, options } = this.#parts;
    const pid = await files.pid(id, 'conmon.pid');
    if (pid === undefined) return;
    const deadline = options.clock.monotonic() + CONMON_EXIT_MS;
    while (await hasArgument(pid, id)) {
      if (options.clock.monotonic() > deadline) signalProcess(pid, 'SIGKILL');
      await options.clock.sleep(10);
    }
  }

  list(): Promise<readonly ContainerState[]> {
    return this.#parts.observer.list();
  }

  subscribe(changed: (id: string) => void): Disposable {
    return this.#parts.observer.subscribe(changed);
  }

  async exec(request: ExecRequest): Promise<ExecSession> {
    const { files, observer, oci, cgroups, options } = this.#parts;
    const record = await files.record(request.containerId);
    const state = await observer.state(request.containerId);
    if (record === undefined || state === undefined) throw notFound(request.containerId);
    if (state.status !== 'running')
      throw new RuntimeError(
        'ExecFailed',
        `container ${request.containerId} is not running (${state.status})`,
      );
    const config = await this.#config(record.id);
    this.#execs += 1;
    const random = Math.floor((options.random ?? Math.random)() * 2 ** 32).toString(16);
    return startExec(request, {
      program: oci.path,
      globalArguments: oci.globalArguments,
      process: config.process,
      directory: files.execs,
      name: `${this.#execs}-${random}`,
      processes: () => cgroups.containerProcesses(record.key.podUid, record.id),
      clock: options.clock,
    });
  }

  async attachInput(id: string): Promise<AttachedInput> {
    const { files, observer } = this.#parts;
    if ((await observer.state(id))?.status !== 'running') throw notFound(id);
    const { terminal } = (await this.#config(id)).process;
    return attachInput(files.bundle(id), terminal);
  }

  /** What the container was created from. */
  async #config(id: string): Promise<OciConfig> {
    return JSON.parse(await readFile(join(this.#parts.files.bundle(id), 'config.json'), 'utf8')) as OciConfig;
  }

  async usage(): Promise<readonly ContainerUsage[]> {
    const { observer, cgroups } = this.#parts;
    const running = (await observer.list()).filter((state) => state.status === 'running');
    const usages = await Promise.all(
      running.map(async ({ id, key }) => {
        const usage = await cgroups.usage(key.podUid, id);
        return usage === undefined ? undefined : { id, ...usage };
      }),
    );
    return usages.filter((usage) => usage !== undefined);
  }

  /** Stops observing; containers and their monitors go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.observer[Symbol.dispose]();
    await this.#parts.cgroups.removeIfEmpty();
  }
}

function stdinOf({ stdin, stdinOnce }: Container): 'none' | 'once' | 'open' {
  if (stdin !== true) return 'none';
  return stdinOnce === true ? 'once' : 'open';
}

async function rejection(work: Promise<void>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error;
  }
}

function notFound(id: string): RuntimeError {
  return new RuntimeError('NotFound', `no container ${id} on this device`);
}

function messageOf(error: unknown): string {
  if (hasErrno(error, 'ENOSPC')) return 'no space left on the device';
  return error instanceof Error ? error.message : String(error);
}
