/**
 * A hub in one file: a tar of the store's snapshot and of everything in `pki`, so that a hub restored from
 * it, on another machine too, is the same hub to its devices and users. It holds private keys: keep it as you
 * would keep them. Images are not in it; they are pushed again or come from their registries.
 *
 *     covey.json   { format, created, version }
 *     pki/…        files as they are
 *     store        a backup of the store (store/backup.ts)
 */

import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import type { DataLayout } from '../lib/data-layout.js';
import { COVEY_VERSION } from '../lib/version.js';

export const ARCHIVE_FORMAT = 1;
export const MANIFEST_ENTRY = 'covey.json';
export const STORE_ENTRY = 'store';
export const PKI_PREFIX = 'pki/';

export interface ArchiveSource {
  readonly layout: DataLayout;
  /** Directory for the snapshot while it is sent; must be on a disk with room for it. */
  readonly temporary: string;
  readonly store: { backup(file: string): Promise<unknown> };
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Writes the archive to a stream and ends it. Rejects when a part cannot be read; the stream is then destroyed. */
export async function writeArchive(source: ArchiveSource, output: Writable): Promise<void> {
  const directory = await mkdtemp(join(source.temporary, '.backup-'));
  try {
    const snapshot = join(directory, 'store');
    await source.store.backup(snapshot);
    const tar = pack();
    const sent = pipeline(tar, output);
    await Promise.all([sent, fill(tar, source, snapshot)]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function fill(tar: Pack, { layout, now }: ArchiveSource, snapshot: string): Promise<void> {
  try {
    const manifest = { format: ARCHIVE_FORMAT, created: new Date(now).toISOString(), version: COVEY_VERSION };
    tar.entry({ name: MANIFEST_ENTRY, mode: 0o600 }, JSON.stringify(manifest));
    for (const name of (await readdir(layout.pki)).sort()) {
      if (name.endsWith('.tmp')) continue;
      tar.entry({ name: `${PKI_PREFIX}${name}`, mode: 0o600 }, await readFile(join(layout.pki, name)));
    }
    const { size } = await stat(snapshot);
    await pipeline(createReadStream(snapshot), tar.entry({ name: STORE_ENTRY, mode: 0o600, size }));
    tar.finalize();
  } catch (error) {
    tar.destroy(error as Error);
    throw error;
  }
}
