/**
 * Opens the device's hardware with what an earlier agent left: allocations from disk, and from the run records
 * which device nodes the containers were given that are still here.
 */
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { DesiredStore } from '../desired/desired-store.js';
import type { RunRecords } from '../observe/run-records.js';
import { isLeaving } from '../plan/plan.js';
import type { Runtime } from '../runtime/runtime.js';
import { Hardware } from './hardware.js';
import type { HardwareSource } from './source.js';

export interface OpenOptions {
  readonly dataDir: string;
  readonly runtime: Pick<Runtime, 'list'>;
  readonly runRecords: Pick<RunRecords, 'load'>;
  readonly desired: Pick<DesiredStore, 'get' | 'heldBack'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export async function openHardware(source: HardwareSource, options: OpenOptions): Promise<Hardware> {
  const { dataDir, runtime, runRecords, desired, clock, logger } = options;
  const hardware = await Hardware.open({
    directory: join(dataDir, 'hardware'),
    resources: source.resources,
    discover: source.discover,
    // What the hub has yet to say about is not leaving.
    leaving: (uid) => !desired.heldBack.has(uid) && isLeaving(desired.get(uid)),
    clock,
    logger,
    ...(source.settleMs !== undefined && { settleMs: source.settleMs }),
  });
  for (const { id, key } of await runtime.list()) {
    const numbers = (await runRecords.load(key.podUid)).made[id]?.devices;
    if (numbers !== undefined) hardware.opened(id, { podUid: key.podUid, container: key.name, numbers });
  }
  return hardware;
}
