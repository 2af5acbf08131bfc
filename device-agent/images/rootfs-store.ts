/**
 * Root file systems of containers: an overlay of the image's layers and a writable layer of the container's
 * own below `rootfs/<container id>/`. They outlive the agent and are found again in the directory and the
 * mount table; after a reboot they are mounted anew.
 */
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { runCommand } from '../lib/command.js';
import { hasErrno, orMissing } from '../lib/errno.js';
import { isMountPoint, unmountAll } from '../lib/mounts.js';
import { ImageError } from './image-store.js';
import type { LayerStore } from './layer-store.js';

/** The kernel's limit of mount options is one page. */
const MAX_OPTIONS = 4000;

export class RootfsStore {
  readonly #directory: string;
  readonly #layers: LayerStore;

  constructor(dataDir: string, layers: LayerStore) {
    this.#directory = join(dataDir, 'rootfs');
    this.#layers = layers;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
  }

  /** Mounts `diffIds` (lowest first) for the container. Rejects with ImageError when a layer is missing. */
  async mount(containerId: string, diffIds: readonly string[]): Promise<string> {
    const base = join(this.#directory, containerId);
    const merged = join(base, 'merged');
    if (await isMountPoint(merged)) return merged;
    try {
      for (const name of ['', 'upper', 'work', 'merged']) await mkdir(join(base, name), { recursive: true });
      // The root of the container has this mode, whatever umask the agent was started with.
      await chmod(join(base, 'upper'), 0o755);
      await writeFileAtomic(join(base, 'layers.json'), JSON.stringify(diffIds));
    } catch (error) {
      if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
      throw new ImageError('DiskFull', `no space left for the root of container ${containerId}`, error);
    }
    const lower: string[] = [];
    for (const diffId of [...diffIds].reverse()) {
      const layer = this.#layers.get(diffId);
      if (!layer) throw new ImageError('ErrImagePull', `layer ${diffId} is missing on this device`);
      const path = this.#layers.relativePath(diffId);
      if (!lower.includes(path)) lower.push(path);
      if (layer.opaqueRoot) break;
    }
    const own = `../rootfs/${containerId}`;
    const options = `lowerdir=${lower.join(':')},upperdir=${own}/upper,workdir=${own}/work`;
    if (options.length > MAX_OPTIONS)
      throw new ImageError('ErrImagePull', `the image has too many layers (${lower.length}) for one mount`);
    // Relative to the layers' directory: the options stay short, and no character of the path can hurt.
    await runCommand('mount', ['-t', 'overlay', '-o', options, 'covey-rootfs', merged], {
      cwd: this.#layers.directory,
    });
    return merged;
  }

  async unmount(containerId: string): Promise<void> {
    const base = join(this.#directory, containerId);
    await unmountAll(base);
    await rm(base, { recursive: true, force: true });
  }

  async list(): Promise<readonly string[]> {
    return (await orMissing(readdir(this.#directory))) ?? [];
  }

  /** Layers of all root file systems here. */
  async usedLayers(): Promise<ReadonlySet<string>> {
    const used = new Set<string>();
    for (const id of await this.list()) {
      const text = await orMissing(readFile(join(this.#directory, id, 'layers.json'), 'utf8'));
      if (text === undefined) continue;
      for (const diffId of JSON.parse(text) as string[]) used.add(diffId);
    }
    return used;
  }
}
