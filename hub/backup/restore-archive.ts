/**
 * Puts a hub back from one file into a data directory that has none. Everything is unpacked and checked
 * beside its place first; a file that is cut off or damaged leaves the directory as it was.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { z } from 'zod';
import { dataLayout } from '../lib/data-layout.js';
import { isMissing, syncDirectory } from '../lib/files.js';
import { restoreBackup } from '../store/restore.js';
import { ARCHIVE_FORMAT, MANIFEST_ENTRY, PKI_PREFIX, STORE_ENTRY } from './archive.js';

const PKI_NAME = /^[\w][\w.-]*$/;
const manifestSchema = z.object({ format: z.number(), created: z.string(), version: z.string() });

export interface RestoredHub {
  readonly revision: number;
  readonly entries: number;
  /** When the backup was made, RFC 3339. */
  readonly created: string;
}

/** Rejects with what is wrong with the file, or with what is in the way. */
export async function restoreArchive(file: string, dataDir: string): Promise<RestoredHub> {
  const layout = dataLayout(dataDir);
  for (const path of [layout.store, layout.pki]) await requireAbsent(path);
  const staging = join(dataDir, '.restoring');
  await rm(staging, { recursive: true, force: true });
  await mkdir(join(staging, 'pki'), { recursive: true, mode: 0o700 });
  try {
    const created = await unpack(file, staging);
    const summary = await restoreBackup({
      file: join(staging, 'snapshot'),
      directory: join(staging, 'store'),
    });
    // The store comes last: a hub that finds one finds the keys that it was sealed with.
    await rename(join(staging, 'pki'), layout.pki);
    await syncDirectory(dataDir);
    await rename(join(staging, 'store'), layout.store);
    await syncDirectory(dataDir);
    return { ...summary, created };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function unpack(file: string, staging: string): Promise<string> {
  let created: string | undefined;
  let stored = false;
  const entries = extract();
  const feeding = pipeline(createReadStream(file), entries);
  try {
    for await (const entry of entries) {
      const { name } = entry.header;
      if (name === MANIFEST_ENTRY) created = readManifest(file, await textOf(entry));
      else if (name === STORE_ENTRY) {
        await pipeline(entry, createWriteStream(join(staging, 'snapshot'), { mode: 0o600, flush: true }));
        stored = true;
      } else if (name.startsWith(PKI_PREFIX) && PKI_NAME.test(name.slice(PKI_PREFIX.length))) {
        const target = join(staging, 'pki', name.slice(PKI_PREFIX.length));
        await pipeline(entry, createWriteStream(target, { mode: 0o600, flush: true }));
      } else {
        throw new Error(`${file} is not a backup of Covey: it has an entry "${name}"`);
      }
    }
  } finally {
    entries.destroy();
    await feeding.catch((error: NodeJS.ErrnoException) => {
      // A reader that stops early makes the feeding end with this; the reader's own error is the one to tell.
      if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    });
  }
  if (created === undefined || !stored)
    throw new Error(`${file} is not a whole backup of Covey: it is cut off`);
  return created;
}

function readManifest(file: string, text: string): string {
  const parsed = manifestSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${file} is not a backup of Covey`);
  if (parsed.data.format !== ARCHIVE_FORMAT) {
    throw new Error(
      `${file} has format ${parsed.data.format}; this version of Covey reads ${ARCHIVE_FORMAT}`,
    );
  }
  return parsed.data.created;
}

async function textOf(entry: AsyncIterable<unknown>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString('utf8');
}

async function requireAbsent(path: string): Promise<void> {
  try {
    if ((await readdir(path)).length === 0) return;
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw new Error(`${path} is not empty; restore into a directory that has no hub`);
}
