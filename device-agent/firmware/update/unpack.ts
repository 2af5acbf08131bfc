/**
 * A release's archive (tar.gz) → a directory, every file and directory synced. The archive is signed, but bounds
 * hold all the same: plain files and directories below the target only, no more bytes than were promised.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { syncDirectory } from '../../lib/atomic-file.js';
import { UpdateError } from './update-error.js';

export interface UnpackOptions {
  readonly archive: string;
  /** Empty. */
  readonly target: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

const MAX_ENTRIES = 10_000;
const MAX_PATH = 512;
/** Without it the launcher would not start the release. */
const ENTRY_POINT = 'device-agent/main.js';

/** Rejects with UpdateError for what is wrong with the archive, else with the file system's error. */
export async function unpackRelease({ archive, target, maxBytes, signal }: UnpackOptions): Promise<void> {
  const tar = extract();
  const fed = pipeline(createReadStream(archive), createGunzip(), tar, { signal });
  // The loop below fails with it; without a handler here it would be reported twice.
  fed.catch(() => undefined);
  const directories = new Set([target]);
  let bytes = 0;
  let entries = 0;
  let complete = false;
  try {
    for await (const entry of tar) {
      const { header } = entry;
      entries += 1;
      bytes += header.size ?? 0;
      if (entries > MAX_ENTRIES) throw new UpdateError(`the archive has more than ${MAX_ENTRIES} entries`);
      if (bytes > maxBytes)
        throw new UpdateError(`the archive unpacks to more than the promised ${maxBytes} bytes`);
      const path = pathOf(header);
      if (header.type === 'directory') {
        await makeDirectory(target, path, directories);
        entry.resume();
        continue;
      }
      if (header.type !== 'file')
        throw new UpdateError(`the archive has ${JSON.stringify(header.name)}, which is a ${header.type}`);
      await makeDirectory(target, dirname(path), directories);
      complete ||= path === ENTRY_POINT;
      await writeSynced(join(target, path), entry as unknown as Readable, (header.mode ?? 0) & 0o111);
    }
    await fed;
  } catch (error) {
    signal.throwIfAborted();
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (error instanceof UpdateError || (code !== '' && !code.startsWith('Z_') && code.startsWith('E')))
      throw error;
    throw new UpdateError(`the archive is damaged: ${error instanceof Error ? error.message : error}`, error);
  }
  if (!complete) throw new UpdateError(`the archive has no ${ENTRY_POINT}`);
  for (const directory of directories) await syncDirectory(directory);
}

/** The entry's path below the target; throws for one that leads elsewhere. */
function pathOf({ name }: Header): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0') || name.length > MAX_PATH)
    throw new UpdateError(`the archive has the path ${JSON.stringify(name.slice(0, MAX_PATH))}`);
  return parts.join('/');
}

async function makeDirectory(target: string, path: string, made: Set<string>): Promise<void> {
  let at = target;
  for (const part of path.split('/').filter((one) => one !== '' && one !== '.')) {
    at = join(at, part);
    if (made.has(at)) continue;
    await mkdir(at, { mode: 0o755 });
    made.add(at);
  }
}

async function writeSynced(path: string, content: Readable, executable: number): Promise<void> {
  // A path that comes twice, or that a file stands in the way of, is an error.
  const file = await open(path, 'wx', executable === 0 ? 0o644 : 0o755);
  try {
    for await (const chunk of content) await file.writeFile(chunk as Buffer);
    await file.sync();
  } finally {
    await file.close();
  }
}
