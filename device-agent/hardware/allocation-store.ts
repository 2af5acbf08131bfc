/**
 * Which pod has which units, on disk: one file per pod, written before a container is given anything and removed
 * when the pod is gone, so that a pod has the same units after a reboot. A damaged file is set aside with a
 * warning; what the pod's living containers have open stays theirs all the same (see Hardware).
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '#protocol/lib/logger.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import {
  makePrivateDirectory,
  removeFileDurably,
  removeGarbage,
  setAside,
  TEMPORARY_SUFFIX,
} from '../lib/state-dir.js';
import type { Allocation } from './allocate.js';

const SUFFIX = '.json';
const DAMAGED_SUFFIX = '.damaged';
/** Damaged files kept for a look; older ones are removed. */
const MAX_DAMAGED = 4;

const fileSchema = z.object({
  containers: z.record(
    z.string(),
    z.array(
      z.object({
        resource: z.string(),
        identity: z.object({
          name: z.string().optional(),
          place: z.string(),
          twin: z.literal(true).optional(),
        }),
      }),
    ),
  ),
});

export class AllocationStore {
  readonly #directory: string;
  readonly #allocations: Map<string, Allocation>;

  private constructor(directory: string, allocations: Map<string, Allocation>) {
    this.#directory = directory;
    this.#allocations = allocations;
  }

  /** Rejects only when the directory itself cannot be read. */
  static async open(directory: string, logger: Logger): Promise<AllocationStore> {
    await makePrivateDirectory(directory);
    const allocations = new Map<string, Allocation>();
    const damaged: string[] = [];
    for (const name of (await readdir(directory)).sort()) {
      const path = join(directory, name);
      if (name.endsWith(TEMPORARY_SUFFIX)) await removeGarbage(path);
      if (name.endsWith(DAMAGED_SUFFIX)) damaged.push(path);
      if (!name.endsWith(SUFFIX)) continue;
      try {
        const { containers } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
        allocations.set(name.slice(0, -SUFFIX.length), new Map(Object.entries(containers)));
      } catch (error) {
        const aside = path + DAMAGED_SUFFIX;
        logger.warn(
          { err: error, file: path, setAside: aside },
          'the record of the hardware of a pod is damaged',
        );
        await setAside(path, aside);
        damaged.push(aside);
      }
    }
    for (const path of damaged.slice(0, -MAX_DAMAGED)) await removeGarbage(path);
    return new AllocationStore(directory, allocations);
  }

  all(): ReadonlyMap<string, Allocation> {
    return this.#allocations;
  }

  /** Resolves once it is on disk. */
  async put(uid: string, allocation: Allocation): Promise<void> {
    const text = JSON.stringify({ containers: Object.fromEntries(allocation) });
    await writeFileAtomic(join(this.#directory, uid + SUFFIX), text);
    this.#allocations.set(uid, allocation);
  }

  async remove(uid: string): Promise<void> {
    if (!this.#allocations.has(uid)) return;
    await removeFileDurably(join(this.#directory, uid + SUFFIX));
    this.#allocations.delete(uid);
  }
}
