/** Control groups on the unified hierarchy: the normal case of a board. */
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { hasErrno } from '../lib/errno.js';
import type { PodLimits } from '../runtime/runtime.js';
import {
  childGroups,
  keyedNumber,
  killBelow,
  makeGroup,
  processesBelow,
  readControl,
  readNumber,
  removeEmptyParents,
  removeTree,
  writeControl,
} from './cgroup-tree.js';
import { type Cgroups, type CgroupUsage, podCgroup } from './cgroups.js';
import { cpuMax, cpuWeight } from './limits.js';

const WANTED = ['cpu', 'memory', 'pids'] as const;

export interface CgroupV2Options {
  /** Mount point of the hierarchy. */
  readonly root: string;
  /** The device's subtree, relative to the root. */
  readonly parent: string;
  readonly clock: Clock;
}

export async function createCgroupsV2(options: CgroupV2Options): Promise<Cgroups> {
  const { root, clock } = options;
  const device = join(root, options.parent);
  const offered = ((await readControl(root, 'cgroup.controllers')) ?? '').trim().split(/\s+/);
  const controllers = new Set(WANTED.filter((name) => offered.includes(name)));
  const enable = [...controllers].map((name) => `+${name}`).join(' ');
  const pod = (uid: string) => join(device, podCgroup(uid));
  const container = (uid: string, id: string) => join(pod(uid), id);

  /** Makes `group` with the controllers handed down from the root to its children. */
  async function makeParent(group: string): Promise<void> {
    await makeGroup(group);
    let path = root;
    const below = group.slice(root.length).split('/').filter(Boolean);
    for (const part of ['', ...below]) {
      path = join(path, part);
      if (enable !== '') await writeControl(path, 'cgroup.subtree_control', enable);
    }
  }

  return {
    layout: 'v2',
    controllers,
    swapLimit: controllers.has('memory') && (await swapLimited(root)),

    async setUp() {
      await makeParent(device);
      await makeGroup(join(device, 'monitors'));
    },

    async createPod(uid: string, limits: PodLimits) {
      await makeParent(pod(uid));
      if (controllers.has('cpu')) {
        await writeControl(pod(uid), 'cpu.max', cpuMax(limits.cpuMillicores));
        await writeControl(pod(uid), 'cpu.weight', String(cpuWeight(limits.cpuRequestMillicores)));
      }
      if (controllers.has('memory'))
        await writeControl(pod(uid), 'memory.max', String(limits.memoryBytes ?? 'max'));
      if (controllers.has('pids')) await writeControl(pod(uid), 'pids.max', String(limits.pids ?? 'max'));
    },

    async removePod(uid: string) {
      await killBelow(pod(uid), clock);
      if (!(await removeTree(pod(uid), clock))) throw new Error(`control group ${pod(uid)} stays busy`);
    },

    containerPath: (uid, id) => `/${options.parent}/${podCgroup(uid)}/${id}`,
    killContainer: (uid, id) => killBelow(container(uid, id), clock),
    containerProcesses: (uid, id) => processesBelow(container(uid, id)),

    async removeContainer(uid, id) {
      await killBelow(container(uid, id), clock);
      await removeTree(container(uid, id), clock);
    },

    async oomKilled(uid, id) {
      const events = await readControl(container(uid, id), 'memory.events');
      return events === undefined ? undefined : (keyedNumber(events, 'oom_kill') ?? 0) > 0;
    },

    async usage(uid, id): Promise<CgroupUsage | undefined> {
      const group = container(uid, id);
      const cpu = await readControl(group, 'cpu.stat');
      if (cpu === undefined) return undefined;
      const memory = (await readNumber(group, 'memory.current')) ?? 0;
      const stat = (await readControl(group, 'memory.stat')) ?? '';
      return {
        cpuUsageNanoseconds: (keyedNumber(cpu, 'usage_usec') ?? 0) * 1000,
        memoryWorkingSetBytes: Math.max(0, memory - (keyedNumber(stat, 'inactive_file') ?? 0)),
        // Without the pids controller the processes are counted one by one.
        pids: (await readNumber(group, 'pids.current')) ?? (await processesBelow(group)).length,
      };
    },

    async adoptMonitor(pid) {
      try {
        await writeControl(join(device, 'monitors'), 'cgroup.procs', String(pid));
      } catch (error) {
        if (!hasErrno(error, 'ESRCH')) throw error;
      }
    },

    async listPods() {
      return (await childGroups(device))
        .filter((name) => name.startsWith('pod'))
        .map((name) => name.slice(3));
    },

    async removeIfEmpty() {
      if ((await processesBelow(device)).length > 0) return;
      await removeTree(device, clock);
      await removeEmptyParents(root, options.parent);
    },

    async purge() {
      await killBelow(device, clock);
      await removeTree(device, clock);
      await removeEmptyParents(root, options.parent);
    },
  };
}

/** The root group has no such file; any group below has it when the kernel counts swap. */
async function swapLimited(root: string): Promise<boolean> {
  for (const child of await childGroups(root)) {
    if ((await readControl(join(root, child), 'memory.swap.max')) !== undefined) return true;
  }
  return false;
}
