/**
 * What a pod's past must leave on disk: how often its containers were restarted, in how long a row of
 * crashes they are, how a finished one ended, and that the pod is over. Written only when a container is
 * restarted or ends for good, so that a quiet device writes nothing; a container that never failed has no
 * entry. A damaged record is dropped with a warning: the counts then start anew.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '#protocol/lib/logger.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import {
  makePrivateDirectory,
  readFileIfPresent,
  removeFileDurably,
  removeGarbage,
  TEMPORARY_SUFFIX,
} from '../lib/state-dir.js';

/** How one run of a container ended. Times in milliseconds since the epoch. */
const terminationSchema = z.object({
  exitCode: z.number().int(),
  reason: z.string(),
  message: z.string().optional(),
  startedAt: z.number().optional(),
  finishedAt: z.number().optional(),
  containerId: z.string().optional(),
});
export type Termination = z.infer<typeof terminationSchema>;

const containerRecordSchema = z.object({
  /** The run that is due or under way; also the restart count. */
  attempt: z.number().int().nonnegative(),
  /** Crashes in a row, for the back-off. */
  streak: z.number().int().nonnegative(),
  /** How the run before `attempt` ended. */
  last: terminationSchema.optional(),
  /** Run `attempt` has ended and is not to be repeated. */
  final: terminationSchema.optional(),
  image: z.string().optional(),
  imageId: z.string().optional(),
});
export type ContainerRecord = z.infer<typeof containerRecordSchema>;

const podRecordSchema = z.object({
  containers: z.record(z.string(), containerRecordSchema),
  /** The pod has ended for good; it never starts again. */
  over: z
    .object({
      phase: z.enum(['Succeeded', 'Failed']),
      reason: z.string().optional(),
      message: z.string().optional(),
    })
    .optional(),
});
export type PodRecord = z.infer<typeof podRecordSchema>;

const SUFFIX = '.json';
const EMPTY_RECORD: PodRecord = { containers: {} };

export class PodRecords {
  readonly #directory: string;
  readonly #records: Map<string, PodRecord>;

  private constructor(directory: string, records: Map<string, PodRecord>) {
    this.#directory = directory;
    this.#records = records;
  }

  static async open(directory: string, logger: Logger): Promise<PodRecords> {
    await makePrivateDirectory(directory);
    const records = new Map<string, PodRecord>();
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      if (name.endsWith(TEMPORARY_SUFFIX)) await removeGarbage(path);
      if (!name.endsWith(SUFFIX)) continue;
      try {
        const bytes = await readFileIfPresent(path);
        records.set(name.slice(0, -SUFFIX.length), podRecordSchema.parse(JSON.parse(String(bytes))));
      } catch (error) {
        logger.warn({ err: error, file: path }, 'record of a pod is damaged; its restart counts start anew');
        await removeGarbage(path);
      }
    }
    return new PodRecords(directory, records);
  }

  get(uid: string): PodRecord {
    return this.#records.get(uid) ?? EMPTY_RECORD;
  }

  uids(): readonly string[] {
    return [...this.#records.keys()];
  }

  /** Replaces the record of one container; resolves once it is on disk. */
  async putContainer(uid: string, name: string, record: ContainerRecord): Promise<void> {
    const current = this.get(uid);
    await this.#put(uid, { ...current, containers: { ...current.containers, [name]: record } });
  }

  /** Keeps that the pod is over. */
  async putOver(uid: string, over: NonNullable<PodRecord['over']>): Promise<void> {
    await this.#put(uid, { ...this.get(uid), over });
  }

  async forget(uid: string): Promise<void> {
    if (!this.#records.delete(uid)) return;
    await removeFileDurably(join(this.#directory, uid + SUFFIX));
  }

  /** Single flight per pod is the sync loop's promise; records of different pods are different files. */
  async #put(uid: string, record: PodRecord): Promise<void> {
    await writeFileAtomic(join(this.#directory, uid + SUFFIX), JSON.stringify(record));
    this.#records.set(uid, record);
  }
}
