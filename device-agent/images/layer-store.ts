/**
 * Unpacked layers, one directory for each diff id, shared by all images:
 *
 *     layers/<first 32 digits of the diff id>/fs             for overlayfs
 *     layers/<first 32 digits of the diff id>/complete.json  written last: without it the layer does not count
 *     downloads/<blob digest>                                partial or whole packed layers
 *
 * A layer is unpacked in a directory of its own, synced and renamed, so it is whole or absent.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../lib/atomic-file.js';
import { runCommand } from '../lib/command.js';
import { orMissing } from '../lib/errno.js';
import { unmountAll } from '../lib/mounts.js';
import { type UnpackOptions, unpackLayer } from './unpack-layer.js';

export interface LayerInfo {
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly opaqueRoot: boolean;
}

const TEMPORARY = '.new-';

export class LayerStore {
  readonly directory: string;
  readonly downloads: string;
  readonly #layers = new Map<string, LayerInfo>();
  #unpacks = 0;

  private constructor(dataDir: string) {
    this.directory = join(dataDir, 'layers');
    this.downloads = join(dataDir, 'downloads');
  }

  /** Finds the complete layers and removes what a cut-off unpacking left. */
  static async open(dataDir: string): Promise<LayerStore> {
    const store = new LayerStore(dataDir);
    await mkdir(store.directory, { recursive: true, mode: 0o700 });
    await mkdir(store.downloads, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.directory)) {
      const path = join(store.directory, name);
      const info = name.startsWith(TEMPORARY) ? undefined : await readInfo(path);
      if (info === undefined || shortName(info.diffId) !== name) await removeTree(path);
      else store.#layers.set(info.diffId, info);
    }
    return store;
  }

  get(diffId: string): LayerInfo | undefined {
    return this.#layers.get(diffId);
  }

  list(): readonly LayerInfo[] {
    return [...this.#layers.values()];
  }

  /** For `lowerdir`, relative to `directory`; short, because the kernel takes one page of mount options. */
  relativePath(diffId: string): string {
    return `${shortName(diffId)}/fs`;
  }

  downloadPath(blobDigest: string): string {
    return join(this.downloads, blobDigest.replace(':', '-'));
  }

  /** Unpacks a verified blob file; a layer that is there is left alone. */
  async add(options: Omit<UnpackOptions, 'root' | 'scratch'>): Promise<LayerInfo> {
    const known = this.#layers.get(options.diffId);
    if (known) return known;
    this.#unpacks += 1;
    const temporary = join(this.directory, `${TEMPORARY}${this.#unpacks}-${shortName(options.diffId)}`);
    await removeTree(temporary);
    const root = join(temporary, 'fs');
    const scratch = join(temporary, 'scratch');
    try {
      await mkdir(root, { recursive: true, mode: 0o755 });
      await mkdir(scratch);
      const unpacked = await unpackLayer({ ...options, root, scratch });
      await removeTree(scratch);
      const { sizeBytes, opaqueRoot } = unpacked;
      const info: LayerInfo = { diffId: options.diffId, sizeBytes, opaqueRoot };
      // The whole file system once: a sync for each of thousands of files would take minutes on a card.
      await runCommand('sync', ['--file-system', temporary], { timeoutMs: 600_000 });
      await writeFileAtomic(join(temporary, 'complete.json'), JSON.stringify(info));
      await rename(temporary, join(this.directory, shortName(options.diffId)));
      await syncDirectory(this.directory);
      this.#layers.set(options.diffId, info);
      return info;
    } catch (error) {
      await removeTree(temporary);
      throw error;
    }
  }

  /** The caller knows that nothing uses the layer. The marker goes first, so that a cut leaves no half layer in use. */
  async remove(diffId: string): Promise<void> {
    this.#layers.delete(diffId);
    const path = join(this.directory, shortName(diffId));
    await rm(join(path, 'complete.json'), { force: true });
    await removeTree(path);
  }

  /** Removes downloads that no running pull has. */
  async removeDownloads(active: ReadonlySet<string>): Promise<void> {
    const keep = new Set([...active].map((digest) => digest.replace(':', '-')));
    for (const name of await readdir(this.downloads)) {
      if (!keep.has(name)) await rm(join(this.downloads, name), { force: true });
    }
  }
}

async function readInfo(path: string): Promise<LayerInfo | undefined> {
  const text = await orMissing(readFile(join(path, 'complete.json'), 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as LayerInfo);
}

function shortName(diffId: string): string {
  return diffId.slice('sha256:'.length, 'sha256:'.length + 32);
}

async function removeTree(path: string): Promise<void> {
  await unmountAll(path);
  await rm(path, { recursive: true, force: true });
}
