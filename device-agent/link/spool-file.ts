/**
 * The report spool on disk: one file per entry, `<sequence>.json`, written beside its place, synced and
 * renamed, so that a power cut leaves whole entries only. `id` names the spool; a new spool has a new name.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '#protocol/lib/logger.js';
import type { PodReport } from '#protocol/link/report.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';
import { keptStatusSchema } from '../lib/kept-status.js';
import { removeGarbage, TEMPORARY_SUFFIX } from '../lib/state-dir.js';

export interface SpoolEntry {
  readonly sequence: number;
  readonly report: PodReport;
}

/** What tells a report from a damaged file. The agent itself has written it; the hub checks the whole. */
const spooledReportSchema = z.looseObject({
  uid: z.string(),
  namespace: z.string(),
  name: z.string(),
  revision: z.string(),
  status: keptStatusSchema,
  removed: z.boolean(),
  events: z.array(
    z.looseObject({ type: z.string(), reason: z.string(), message: z.string(), count: z.number() }),
  ),
}) as unknown as z.ZodType<PodReport>;

const ENTRY = /^(\d{1,15})\.json$/;

export class SpoolDirectory {
  readonly id: string;
  readonly #path: string;

  private constructor(path: string, id: string) {
    this.#path = path;
    this.id = id;
  }

  /** Opens or makes the spool and reads what it holds, in order. Damaged entries are removed with a warning. */
  static async open(
    path: string,
    newId: () => string,
    logger: Logger,
  ): Promise<{ directory: SpoolDirectory; entries: SpoolEntry[] }> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const idPath = join(path, 'id');
    let id = (await orMissing(readFile(idPath, 'utf8')))?.trim() ?? '';
    if (!/^[a-z0-9-]{8,64}$/.test(id)) {
      id = newId();
      await writeFileAtomic(idPath, `${id}\n`);
    }
    const directory = new SpoolDirectory(path, id);
    const entries: SpoolEntry[] = [];
    for (const name of await readdir(path)) {
      const sequence = Number(ENTRY.exec(name)?.[1] ?? Number.NaN);
      if (Number.isNaN(sequence)) {
        // A temporary file is an entry whose writing was cut short: it was never promised to anybody.
        if (name.endsWith(TEMPORARY_SUFFIX)) await removeGarbage(join(path, name));
        continue;
      }
      const report = await directory.#read(name);
      if (report === 'gone') continue;
      if (report !== undefined) entries.push({ sequence, report });
      else {
        logger.warn({ file: join(path, name) }, 'removed a damaged report from the spool');
        await removeGarbage(join(path, name));
      }
    }
    return { directory, entries: entries.sort((a, b) => a.sequence - b.sequence) };
  }

  /** Undefined when it is damaged. */
  async #read(name: string): Promise<PodReport | 'gone' | undefined> {
    const text = await orMissing(readFile(join(this.#path, name), 'utf8'));
    if (text === undefined) return 'gone';
    let raw: unknown;
    try {
      raw = JSON.parse(text);
    } catch {
      // Not JSON: damaged, which the caller reports.
      return undefined;
    }
    const parsed = spooledReportSchema.safeParse(raw);
    return parsed.success ? parsed.data : undefined;
  }

  /** Resolves once the entry survives a power cut. Returns the bytes written. */
  async write(entry: SpoolEntry): Promise<number> {
    const content = JSON.stringify(entry.report);
    await writeFileAtomic(join(this.#path, `${entry.sequence}.json`), content);
    return content.length;
  }

  /** Not synced: an entry that comes back after a power cut is sent again, and known by its sequence. */
  async remove(sequence: number): Promise<void> {
    await rm(join(this.#path, `${sequence}.json`), { force: true });
  }

  /** Remembers a sequence below which all were used, so that numbers grow although the spool is empty. */
  async writeFloor(sequence: number): Promise<void> {
    await writeFileAtomic(join(this.#path, 'floor'), `${sequence}\n`);
  }

  async readFloor(): Promise<number> {
    const text = await orMissing(readFile(join(this.#path, 'floor'), 'utf8'));
    const value = Number(text?.trim() ?? 0);
    return Number.isSafeInteger(value) && value > 0 ? value : 0;
  }
}
