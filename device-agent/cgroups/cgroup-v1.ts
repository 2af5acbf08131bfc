/**
 * Control groups where the v1 controllers are mounted one by one (hybrid layout). A group exists once in each
 * hierarchy, the named and the empty v2 one included, because the OCI runtime makes it everywhere.
 */
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
import { CPU_PERIOD_US, cpuQuota, cpuShares } from './limits.js';

/** Hierarchies in which the pod's group is made for its limits and numbers; the runtime makes the others. */
const LIMITING = ['cpu', 'cpuacct', 'memory', 'pids'] as const;

export interface CgroupV1Options {
  /** Directory below which the hierarchies are mounted. */
  readonly root: string;
  readonly parent: string;
  readonly clock: Clock;
}

export async function createCgroupsV1(options: CgroupV1Options): Promise<Cgroups> {
  const { root, parent, clock } = options;
  const hierarchies = await childGroups(root);
  const present = LIMITING.filter((name) => hierarchies.includes(name));
  const controllers = new Set((['cpu', 'memory', 'pids'] as const).filter((name) => present.includes(name)));
  const swap = (await readControl(join(root, 'memory'), 'memory.memsw.usage_in_bytes')) !== undefined;
  const device = (hierarchy: string) => join(root, hierarchy, parent);
  const pod = (hierarchy: string, uid: string) => join(device(hierarchy), podCgroup(uid));
  const container = (hierarchy: string, uid: string, id: string) => join(pod(hierarchy, uid), id);

  async function limit(uid: string, hierarchy: (typeof LIMITING)[number], file: string, value: number) {
    if (present.includes(hierarchy)) await writeControl(pod(hierarchy, uid), file, String(value));
  }

  async function everywhere(path: (hierarchy: string) => string): Promise<void> {
    for (const hierarchy of hierarchies) await killBelow(path(hierarchy), clock);
    for (const hierarchy of hierarchies) {
      if (!(await removeTree(path(hierarchy), clock)))
        throw new Error(`control group ${path(hierarchy)} stays busy`);
    }
  }

  async function removeParents(): Promise<void> {
    for (const hierarchy of hierarchies) await removeEmptyParents(join(root, hierarchy), parent);
  }

  return {
    layout: 'v1',
    controllers,
    swapLimit: swap,

    async setUp() {
      for (const hierarchy of hierarchies) {
        try {
          await makeGroup(join(device(hierarchy), 'monitors'));
        } catch (error) {
          // Hierarchies that are mounted read-only take no part.
          if (!hasErrno(error, 'EROFS')) throw error;
        }
      }
    },

    async createPod(uid: string, limits: PodLimits) {
      for (const hierarchy of present) await makeGroup(pod(hierarchy, uid));
      await limit(uid, 'cpu', 'cpu.cfs_period_us', CPU_PERIOD_US);
      await limit(
        uid,
        'cpu',
        'cpu.cfs_quota_us',
        limits.cpuMillicores === undefined ? -1 : cpuQuota(limits.cpuMillicores),
      );
      await limit(uid, 'cpu', 'cpu.shares', cpuShares(limits.cpuRequestMillicores));
      await limit(uid, 'memory', 'memory.limit_in_bytes', limits.memoryBytes ?? -1);
      if (limits.pids !== undefined) await limit(uid, 'pids', 'pids.max', limits.pids);
    },

    removePod: (uid) => everywhere((hierarchy) => pod(hierarchy, uid)),
    containerPath: (uid, id) => `/${parent}/${podCgroup(uid)}/${id}`,
    killContainer: (uid, id) => killBelow(container('pids', uid, id), clock),
    containerProcesses: (uid, id) => processesBelow(container('pids', uid, id)),
    removeContainer: (uid, id) => everywhere((hierarchy) => container(hierarchy, uid, id)),

    async oomKilled(uid, id) {
      const control = await readControl(container('memory', uid, id), 'memory.oom_control');
      return control === undefined ? undefined : (keyedNumber(control, 'oom_kill') ?? 0) > 0;
    },

    async usage(uid, id): Promise<CgroupUsage | undefined> {
      const cpu = await readNumber(container('cpuacct', uid, id), 'cpuacct.usage');
      if (cpu === undefined) return undefined;
      const memory = container('memory', uid, id);
      const used = (await readNumber(memory, 'memory.usage_in_bytes')) ?? 0;
      const stat = (await readControl(memory, 'memory.stat')) ?? '';
      return {
        cpuUsageNanoseconds: cpu,
        memoryWorkingSetBytes: Math.max(0, used - (keyedNumber(stat, 'total_inactive_file') ?? 0)),
        pids: (await readNumber(container('pids', uid, id), 'pids.current')) ?? 0,
      };
    },

    async adoptMonitor(pid) {
      for (const hierarchy of hierarchies) {
        try {
          await writeControl(join(device(hierarchy), 'monitors'), 'cgroup.procs', String(pid));
        } catch (error) {
          // The process has ended, or the hierarchy (cpuset without CPUs) takes no processes.
          if (!hasErrno(error, 'ESRCH', 'ENOSPC', 'ENOENT', 'EROFS')) throw error;
        }
      }
    },

    async listPods() {
      const groups = await childGroups(device('memory'));
      return groups.filter((name) => name.startsWith('pod')).map((name) => name.slice(3));
    },

    async removeIfEmpty() {
      for (const hierarchy of hierarchies) {
        if ((await processesBelow(device(hierarchy))).length > 0) return;
      }
      for (const hierarchy of hierarchies) await removeTree(device(hierarchy), clock);
      await removeParents();
    },

    async purge() {
      await everywhere(device);
      await removeParents();
    },
  };
}
