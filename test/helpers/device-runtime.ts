/** A real runtime in temporary directories with a control group subtree of its own, all taken away at the end. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCgroups } from '#device-agent/cgroups/create-cgroups.js';
import { unmountAll } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import type { RuntimeOptions } from '#device-agent/runtime/options.js';
import type { ContainerSpec, ContainerState, Runtime } from '#device-agent/runtime/runtime.js';
import { containerSchema } from '#protocol/core/v1/container.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { busyboxMissing, makeBusyboxRootfs } from './busybox-image.js';

/** Why real containers cannot run here; undefined when they can. */
export function containersMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of ['conmon', 'runc']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    } catch {
      return `needs ${program}`;
    }
  }
  return busyboxMissing;
}

export interface RuntimeFixture extends AsyncDisposable {
  readonly root: string;
  readonly rootfs: string;
  readonly options: RuntimeOptions;
  readonly runtime: Runtime;
  /** A container of the fixture's root file system. */
  spec(argv: readonly string[], change?: Partial<SpecChange>): ContainerSpec;
  /** Makes the pod's group, creates and starts. Returns the id. */
  run(spec: ContainerSpec): Promise<string>;
  /** Resolves when the container has exited; fails after `timeoutMs`. */
  exited(id: string, timeoutMs?: number): Promise<ContainerState>;
}

export interface SpecChange extends Omit<ContainerSpec, 'container' | 'key'> {
  readonly podUid: string;
  readonly name: string;
  readonly container: Record<string, unknown>;
}

export async function runtimeFixture(change: Partial<RuntimeOptions> = {}): Promise<RuntimeFixture> {
  const root = await mkdtemp(join(tmpdir(), 'covey-runtime-'));
  const rootfs = join(root, 'rootfs');
  await makeBusyboxRootfs(rootfs);
  const options: RuntimeOptions = {
    dataDir: join(root, 'data'),
    runDir: join(root, 'run'),
    cgroupParent: `covey-test/${randomUUID().slice(0, 8)}`,
    clock: systemClock,
    logger: silentLogger,
    ...change,
  };
  const runtime = await createRuntime(options);
  return {
    root,
    rootfs,
    options,
    runtime,
    spec: (argv, more = {}) => makeSpec(root, rootfs, argv, more),
    async run(spec) {
      await runtime.createPodCgroup(spec.key.podUid, {});
      await runtime.create(spec);
      const id = `${spec.key.podUid}-${spec.key.name}-${spec.key.attempt}`;
      await runtime.start(id);
      return id;
    },
    exited: (id, timeoutMs = 20_000) => awaitExit(runtime, id, timeoutMs),
    async [Symbol.asyncDispose]() {
      for (const { id } of await runtime.list()) {
        await runtime.kill(id, 'SIGKILL');
        await awaitExit(runtime, id, 5000).catch(() => undefined);
        await runtime.delete(id);
      }
      await runtime[Symbol.asyncDispose]();
      const cgroups = await createCgroups({
        root: '/sys/fs/cgroup',
        parent: options.cgroupParent,
        clock: systemClock,
      });
      await cgroups.purge();
      await unmountAll(root);
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function makeSpec(
  root: string,
  rootfs: string,
  argv: readonly string[],
  change: Partial<SpecChange> = {},
): ContainerSpec {
  const { podUid = randomUUID(), name = 'app', container = {}, ...rest } = change;
  return {
    key: { podUid, name, attempt: 0 },
    podNamespace: 'default',
    podName: 'test',
    hostname: 'test',
    container: containerSchema.parse({ name, ...container }),
    podSecurityContext: undefined,
    argv,
    env: [],
    workingDir: '/',
    imageUser: '',
    rootfs,
    mounts: [],
    namespaces: {},
    hostPid: false,
    logPath: join(root, 'logs', `${podUid}-${name}.log`),
    ...rest,
  };
}

/** Resolves when the container has exited; rejects when it is gone or after `timeoutMs`. */
export function awaitExit(runtime: Runtime, id: string, timeoutMs: number): Promise<ContainerState> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      subscription[Symbol.dispose]();
      clearTimeout(timer);
      settle();
    };
    const check = async () => {
      const state = (await runtime.list()).find((candidate) => candidate.id === id);
      if (!state) finish(() => reject(new Error(`${id} is gone`)));
      else if (state.status === 'exited') finish(() => resolve(state));
    };
    const subscription = runtime.subscribe((changed) => {
      if (changed === id) check().catch(reject);
    });
    const late = () => finish(() => reject(new Error(`${id} did not exit in ${timeoutMs} ms`)));
    const timer = setTimeout(late, timeoutMs);
    check().catch(reject);
  });
}
