/**
 * Takes everything of this device down: containers gracefully within a bound, then mounts, networks and
 * control groups. What is wanted stays on disk, so the next start brings the pods back. Goes on after a
 * failure, and names everything that could not be taken down.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import { hasErrno, orMissing } from './lib/errno.js';
import type { Observer } from './observe/observer.js';
import { podsOf } from './observe/observer.js';
import type { DeviceParts } from './parts.js';

/** All containers together get this long between SIGTERM and SIGKILL. */
const GRACE_MS = 3_000;
/** A killed container is gone within this time. */
const KILL_MS = 3_000;

export interface TeardownOptions {
  readonly parts: DeviceParts;
  readonly observer: Observer;
  readonly runDir: string;
  readonly clock: Clock;
  /** Pods that are wanted: their groups may exist with nothing in them. */
  readonly wanted: Iterable<string>;
}

/** Rejects with an AggregateError that says what is left. */
export async function tearDownDevice(options: TeardownOptions): Promise<void> {
  const { parts, observer, runDir } = options;
  const { runtime, images, network, volumes } = parts;
  const errors: unknown[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      errors.push(error);
    }
  };
  observer.invalidate();
  const look = await observer.look();
  await attempt(() => endContainers(options));
  const states = [...look.containers.values()].flat();
  await Promise.all(states.map(({ id }) => attempt(() => runtime.delete(id))));
  const roots = [...look.rootfs.values()].flat();
  for (const id of new Set([...roots, ...states.map((state) => state.id)]))
    await attempt(() => images.unmountRootfs(id));
  for (const uid of new Set([...podsOf(look), ...options.wanted])) {
    await attempt(() => volumes.tearDown(uid));
    await attempt(() => network.tearDown(uid));
    await attempt(() => runtime.removePodCgroup(uid));
  }
  await attempt(() => rm(join(runDir, 'agent'), { recursive: true, force: true }));
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} things could not be taken down`);
}

async function endContainers({ parts: { runtime }, observer, clock }: TeardownOptions): Promise<void> {
  const live = async () => {
    observer.invalidate();
    const look = await observer.look();
    return [...look.containers.values()].flat().filter((state) => state.status === 'running');
  };
  const awaitEnd = async (limitMs: number) => {
    const deadline = clock.monotonic() + limitMs;
    for (;;) {
      const changed = nextChange(runtime, clock, Math.max(0, deadline - clock.monotonic()));
      const left = await live();
      if (left.length === 0 || clock.monotonic() >= deadline) {
        changed.cancel();
        return left;
      }
      await changed.done;
    }
  };
  for (const { id } of await live()) await runtime.kill(id, 'SIGTERM');
  for (const { id } of await awaitEnd(GRACE_MS)) await runtime.kill(id, 'SIGKILL');
  const survivors = await awaitEnd(KILL_MS);
  if (survivors.length > 0)
    throw new Error(`still alive after SIGKILL: ${survivors.map((state) => state.id).join(', ')}`);
}

/** Settles when any container changes, or after the time. Subscribed before it returns, so nothing is missed. */
function nextChange(
  runtime: DeviceParts['runtime'],
  clock: Clock,
  limitMs: number,
): { readonly done: Promise<void>; cancel(): void } {
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const subscription = runtime.subscribe(() => cancel());
  const timer = clock.setTimer(limitMs, () => cancel());
  const cancel = () => {
    subscription[Symbol.dispose]();
    timer.cancel();
    finish();
  };
  return { done, cancel };
}

/**
 * Removes the directory with everything below it that is an empty directory. Never a file, and nothing that
 * is mounted: what should not be there stays to be seen.
 */
export async function removeEmptyDirectories(path: string): Promise<void> {
  for (const entry of (await orMissing(readdir(path, { withFileTypes: true }))) ?? [])
    if (entry.isDirectory()) await removeEmptyDirectories(join(path, entry.name));
  try {
    await rmdir(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error;
  }
}
