/**
 * What an agent that is started again must know of the pods that ran on without it, kept on tmpfs: it is
 * exactly as old as the sandboxes, and costs the SD card nothing. A damaged record counts as none: the
 * sandbox is then made anew.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { PodStatus } from '#protocol/core/v1/pod.js';
import type { Logger } from '#protocol/lib/logger.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { keptStatusSchema } from '../lib/kept-status.js';
import type { PodPaths } from '../lib/pod-paths.js';
import { readFileIfPresent } from '../lib/state-dir.js';

const runRecordSchema = z.object({
  /** First run number of each container in the sandbox; absent when no sandbox is wanted. */
  base: z.record(z.string(), z.number().int()).optional(),
  /** By container id: what it was made from. */
  made: z.record(
    z.string(),
    z.object({
      image: z.string(),
      imageId: z.string(),
      /** Numbers of the device nodes that it was given. */
      devices: z.array(z.string()).optional(),
    }),
  ),
  /** The last status of the pod: transition times and probe results go on from it. */
  status: keptStatusSchema.optional(),
});
export type RunRecord = z.infer<typeof runRecordSchema>;

const EMPTY: RunRecord = { made: {} };

export class RunRecords {
  readonly #paths: PodPaths;
  readonly #logger: Logger;
  readonly #records = new Map<string, RunRecord>();

  constructor(paths: PodPaths, logger: Logger) {
    this.#paths = paths;
    this.#logger = logger;
  }

  async load(podUid: string): Promise<RunRecord> {
    const known = this.#records.get(podUid);
    if (known !== undefined) return known;
    const record = await this.#read(podUid);
    this.#records.set(podUid, record);
    return record;
  }

  async putBase(podUid: string, base: Readonly<Record<string, number>> | undefined): Promise<void> {
    const { base: _before, ...rest } = await this.load(podUid);
    await this.#write(podUid, base === undefined ? rest : { ...rest, base: { ...base } });
  }

  async putMade(podUid: string, containerId: string, made: RunRecord['made'][string]): Promise<void> {
    const record = await this.load(podUid);
    await this.#write(podUid, { ...record, made: { ...record.made, [containerId]: made } });
  }

  async dropMade(podUid: string, containerId: string): Promise<void> {
    const record = await this.load(podUid);
    if (record.made[containerId] === undefined) return;
    const { [containerId]: _gone, ...made } = record.made;
    await this.#write(podUid, { ...record, made });
  }

  async putStatus(podUid: string, status: PodStatus): Promise<void> {
    await this.#write(podUid, { ...(await this.load(podUid)), status });
  }

  async forget(podUid: string): Promise<void> {
    this.#records.delete(podUid);
    await rm(this.#file(podUid), { force: true });
  }

  async #read(podUid: string): Promise<RunRecord> {
    const bytes = await readFileIfPresent(this.#file(podUid));
    if (bytes === undefined) return EMPTY;
    try {
      return runRecordSchema.parse(JSON.parse(bytes.toString('utf8')));
    } catch (error) {
      this.#logger.warn(
        { err: error, file: this.#file(podUid) },
        'run record is damaged; its sandbox is made anew',
      );
      return EMPTY;
    }
  }

  async #write(podUid: string, record: RunRecord): Promise<void> {
    this.#records.set(podUid, record);
    await mkdir(this.#paths.runDirectory(podUid), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#file(podUid), JSON.stringify(record), { durable: false });
  }

  #file(podUid: string): string {
    return join(this.#paths.runDirectory(podUid), 'record.json');
  }
}
