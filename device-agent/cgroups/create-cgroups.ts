/** Chooses the implementation for this machine's cgroup layout, by the type of the file system at the root. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { orMissing } from '../lib/errno.js';
import { CGROUP2_MAGIC, fileSystemType } from '../lib/mounts.js';
import { createCgroupsV1 } from './cgroup-v1.js';
import { createCgroupsV2 } from './cgroup-v2.js';
import type { Cgroups } from './cgroups.js';

/** The layout at `root`: 'v2' unified, 'v1' with separate controllers; undefined when there is none. */
export async function cgroupLayout(root: string): Promise<'v1' | 'v2' | undefined> {
  if ((await fileSystemType(root)) === CGROUP2_MAGIC) return 'v2';
  const hierarchies = (await orMissing(readdir(root))) ?? [];
  return hierarchies.includes('memory') || hierarchies.includes('pids') ? 'v1' : undefined;
}

/** Rejects when no control groups are mounted at `root`, naming what to do. */
export async function createCgroups(options: {
  readonly root: string;
  readonly parent: string;
  readonly clock: Clock;
}): Promise<Cgroups> {
  const layout = await cgroupLayout(options.root);
  if (layout === 'v2') return createCgroupsV2(options);
  if (layout === 'v1') return createCgroupsV1(options);
  throw new Error(
    `no control groups at ${options.root}: mount them (mount -t cgroup2 cgroup2 ${join(options.root)})`,
  );
}
