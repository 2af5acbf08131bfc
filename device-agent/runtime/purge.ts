/**
 * Takes away everything of a device that outlives its agent: processes, mounts, namespaces, rules, control
 * groups. For `covey up` when it stops, and for tests. The data directory's content stays.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { createCgroups } from '../cgroups/create-cgroups.js';
import { orMissing } from '../lib/errno.js';
import { unmountAll } from '../lib/mounts.js';
import { createNetwork } from '../network/create-network.js';

export interface PurgeOptions {
  readonly dataDir: string;
  readonly runDir: string;
  readonly cgroupParent: string;
  readonly subnet: string;
  readonly bridge?: string;
  readonly cgroupRoot?: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Call it in the device's own network namespace, when its agent has ended. Every step is tried even when an
 * earlier one fails; rejects with what failed.
 */
export async function purgeDevice(options: PurgeOptions): Promise<void> {
  const errors: unknown[] = [];
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  };
  await attempt(async () => {
    const cgroups = await createCgroups({
      root: options.cgroupRoot ?? '/sys/fs/cgroup',
      parent: options.cgroupParent,
      clock: options.clock,
    });
    await cgroups.purge();
  });
  await attempt(async () => {
    const network = await createNetwork({
      runDir: options.runDir,
      subnet: options.subnet,
      clock: options.clock,
      logger: options.logger,
      ...(options.bridge === undefined ? {} : { bridge: options.bridge }),
    });
    for (const { podUid } of await network.list()) await attempt(() => network.tearDown(podUid));
    await network[Symbol.asyncDispose]();
  });
  await attempt(() => unmountAll(options.runDir));
  await attempt(() => unmountAll(options.dataDir));
  await attempt(async () => {
    for (const name of (await orMissing(readdir(options.runDir))) ?? [])
      await rm(join(options.runDir, name), { recursive: true, force: true });
  });
  if (errors.length > 0) throw new AggregateError(errors, 'something of the device stays behind');
}
