/** The real image store: pulls into layers that are shared and verified, mounts them as overlays, collects garbage. */
import { createHash } from 'node:crypto';
import { rm, statfs } from 'node:fs/promises';
import { hasErrno } from '../lib/errno.js';
import { Semaphore } from '../lib/semaphore.js';
import { SharedTasks } from '../lib/shared-task.js';
import { downloadBlob } from './blob-download.js';
import { ImageRecords } from './image-records.js';
import type { ImageSource } from './image-source.js';
import {
  ImageError,
  type ImageStore,
  type LocalImage,
  type PullOptions,
  type PullProgress,
} from './image-store.js';
import { LayerStore } from './layer-store.js';
import {
  chooseManifest,
  type Descriptor,
  layerCompression,
  localConfig,
  type Manifest,
  parseConfig,
  parseManifest,
  requirePlatform,
} from './manifest.js';
import { OciArchive } from './oci-archive.js';
import type { ImageStoreOptions, Platform } from './options.js';
import { hostPlatform } from './platform.js';
import { formatReference, parseReference, type Reference } from './reference.js';
import { RegistryClient } from './registry-client.js';
import { RootfsStore } from './rootfs-store.js';
import { requireSpace } from './unpack-layer.js';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
const DEFAULT_RESERVE = 64 * 1024 * 1024;
const DEFAULT_IDLE_MS = 30_000;

interface ResolvedImage {
  readonly manifest: Manifest;
  readonly digest: string;
}

/** Opens the store below `dataDir`; what a power cut left unfinished is removed or continued later. */
export async function createImageStore(options: ImageStoreOptions): Promise<ImageStore> {
  const layers = await LayerStore.open(options.dataDir);
  const rootfs = new RootfsStore(options.dataDir, layers);
  await rootfs.open();
  const records = new ImageRecords(options.dataDir, options.logger);
  await records.open();
  return new DeviceImageStore(options, layers, rootfs, records);
}

class DeviceImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #layers: LayerStore;
  readonly #rootfs: RootfsStore;
  readonly #records: ImageRecords;
  readonly #platform: Platform;
  readonly #slots: Semaphore;
  readonly #pulls = new SharedTasks<LocalImage>();
  readonly #layerTasks = new SharedTasks<void>();
  /** Blob digests and diff ids that running pulls need; collection leaves them alone. */
  readonly #wanted = new Map<string, number>();
  /** Archives that are being taken, one at a time. */
  readonly #imports = new Set<Promise<LocalImage>>();
  readonly #importSlot = new Semaphore(1);
  readonly #closing = new AbortController();

  constructor(options: ImageStoreOptions, layers: LayerStore, rootfs: RootfsStore, records: ImageRecords) {
    this.#options = options;
    this.#layers = layers;
    this.#rootfs = rootfs;
    this.#records = records;
    this.#platform = options.platform ?? hostPlatform();
    this.#slots = new Semaphore(options.concurrentLayers ?? 2);
  }

  async find(reference: string): Promise<LocalImage | undefined> {
    const record = this.#records.get(formatReference(parseReference(reference)));
    if (!record?.diffIds.every((diffId) => this.#layers.get(diffId))) return undefined;
    return record.image;
  }

  async list(): Promise<readonly LocalImage[]> {
    return this.#records
      .list()
      .filter((record) => record.diffIds.every((diffId) => this.#layers.get(diffId)))
      .map((record) => record.image);
  }

  async pull(reference: string, options: PullOptions): Promise<LocalImage> {
    const parsed = parseReference(reference);
    const name = formatReference(parsed);
    if (this.#imports.size > 0) {
      await Promise.allSettled(this.#imports);
      const brought = await this.find(reference);
      if (brought !== undefined) return brought;
    }
    // Others' credentials must not open an image: only equal ones share the work.
    const key = createHash('sha256')
      .update(JSON.stringify([name, options.credentials]))
      .digest('hex');
    return this.#pulls.run(key, AbortSignal.any([options.signal, this.#closing.signal]), (signal) =>
      this.#take(this.#registry(parsed, { ...options, signal }), parsed, { ...options, signal }),
    );
  }

  importArchive(path: string, signal: AbortSignal): Promise<LocalImage> {
    const work = this.#importSlot.run(() =>
      this.#import(path, AbortSignal.any([signal, this.#closing.signal])),
    );
    this.#imports.add(work);
    const done = () => void this.#imports.delete(work);
    work.then(done, done);
    return work;
  }

  async #import(path: string, signal: AbortSignal): Promise<LocalImage> {
    const archive = await OciArchive.open(path, signal);
    const reference = parseReference(archive.reference);
    const here = await this.find(archive.reference);
    // Taken by an earlier start that could not remove the archive, or pulled newer since.
    return here ?? (await this.#take(archive, reference, { signal }));
  }

  #registry(reference: Reference, { credentials, signal }: PullOptions): ImageSource {
    return new RegistryClient({
      reference,
      credentials,
      registries: this.#options.registries ?? (() => undefined),
      idleTimeoutMs: this.#options.idleTimeoutMs ?? DEFAULT_IDLE_MS,
      signal,
    });
  }

  async #take(
    source: ImageSource,
    reference: Reference,
    options: Pick<PullOptions, 'signal' | 'progress'>,
  ): Promise<LocalImage> {
    const name = formatReference(reference);
    const { manifest, digest } = await this.#resolve(source, reference);
    const configBody = await source.smallBlob(manifest.config.digest, MAX_CONFIG_BYTES);
    const configDigest = `sha256:${createHash('sha256').update(configBody).digest('hex')}`;
    if (configDigest !== manifest.config.digest)
      throw new ImageError(
        'DigestMismatch',
        `configuration ${manifest.config.digest} arrived as ${configDigest}`,
      );
    const config = parseConfig(configBody);
    requirePlatform(config, this.#platform, name);
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length)
      throw new ImageError(
        'ErrImagePull',
        `${name}: ${manifest.layers.length} layers but ${diffIds.length} diff ids`,
      );
    const held = [...diffIds, ...manifest.layers.map((layer) => layer.digest)];
    this.#hold(held, 1);
    try {
      await this.#fetchLayers(source, manifest.layers, diffIds, options);
      const image: LocalImage = {
        reference: name,
        manifestDigest: digest,
        imageId: `${reference.registry}/${reference.repository}@${digest}`,
        sizeBytes: diffIds.reduce((sum, diffId) => sum + (this.#layers.get(diffId)?.sizeBytes ?? 0), 0),
        config: localConfig(config),
      };
      await this.#records.put({ image, diffIds, lastUsed: this.#options.clock.now() });
      return image;
    } catch (error) {
      if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
      throw new ImageError('DiskFull', `no space left for image ${name}`, error);
    } finally {
      this.#hold(held, -1);
    }
  }

  async #resolve(source: ImageSource, reference: Reference): Promise<ResolvedImage> {
    const name = formatReference(reference);
    const top = await source.manifest(reference.digest ?? reference.tag ?? 'latest');
    const parsed = parseManifest(top.body, top.mediaType);
    if (parsed.kind === 'manifest') return { manifest: parsed.manifest, digest: top.digest };
    const chosen = chooseManifest(parsed.manifests, this.#platform, name);
    const child = await source.manifest(chosen.digest);
    const inner = parseManifest(child.body, child.mediaType || chosen.mediaType);
    if (inner.kind === 'manifest') return { manifest: inner.manifest, digest: child.digest };
    throw new ImageError('ErrImagePull', `${name}: an index inside an index is not supported`);
  }

  async #fetchLayers(
    source: ImageSource,
    blobs: readonly Descriptor[],
    diffIds: readonly string[],
    options: Pick<PullOptions, 'signal' | 'progress'>,
  ): Promise<void> {
    const missing = blobs
      .map((blob, index) => ({ blob, diffId: diffIds[index] ?? '' }))
      .filter(({ diffId }, index) => !this.#layers.get(diffId) && diffIds.indexOf(diffId) === index);
    for (const { blob } of missing) layerCompression(blob.mediaType);
    const total = missing.reduce((sum, { blob }) => sum + blob.size, 0);
    // Packed and unpacked side by side: a layer unpacks to more than twice its size as a rule.
    if (missing.length > 0) await requireSpace(this.#layers.directory, this.#reserve + total * 2);
    const done = new Map<string, number>();
    const report = (digest: string, bytes: number) => {
      done.set(digest, bytes);
      const progress: PullProgress = {
        bytesDone: [...done.values()].reduce((sum, part) => sum + part, 0),
        bytesTotal: total,
      };
      options.progress?.(progress);
    };
    const stop = new AbortController();
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const results = await Promise.allSettled(
      missing.map(({ blob, diffId }) =>
        this.#layerTasks
          .run(diffId, signal, (shared) =>
            this.#slots.run(() => this.#fetchLayer(source, blob, diffId, shared, report)),
          )
          .catch((error: unknown) => {
            // One layer that cannot be had ends the pull; the others keep what they have for the next one.
            stop.abort(error);
            throw error;
          }),
      ),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw stop.signal.aborted ? stop.signal.reason : failed.reason;
  }

  async #fetchLayer(
    source: ImageSource,
    blob: Descriptor,
    diffId: string,
    signal: AbortSignal,
    report: (digest: string, bytes: number) => void,
  ): Promise<void> {
    signal.throwIfAborted();
    if (this.#layers.get(diffId)) return;
    const path = this.#layers.downloadPath(blob.digest);
    try {
      await downloadBlob({
        source: source.withSignal(signal),
        blob,
        path,
        maxAttempts: this.#options.maxAttempts ?? 5,
        clock: this.#options.clock,
        random: this.#options.random ?? Math.random,
        signal,
        progress: (bytes) => report(blob.digest, bytes),
      });
      await this.#layers.add({
        blob: path,
        compression: layerCompression(blob.mediaType),
        diffId,
        reserveBytes: this.#reserve,
        signal,
      });
    } catch (error) {
      if (error instanceof ImageError && ['DiskFull', 'DigestMismatch'].includes(error.reason))
        await rm(path, { force: true });
      throw error;
    }
    await rm(path, { force: true });
  }

  get #reserve(): number {
    return this.#options.reserveBytes ?? DEFAULT_RESERVE;
  }

  #hold(names: readonly string[], change: 1 | -1): void {
    for (const name of names) {
      const count = (this.#wanted.get(name) ?? 0) + change;
      if (count > 0) this.#wanted.set(name, count);
      else this.#wanted.delete(name);
    }
  }

  async mountRootfs(image: LocalImage, containerId: string): Promise<string> {
    const record = this.#records.get(image.reference);
    if (!record) throw new ImageError('ErrImagePull', `image ${image.reference} is not on this device`);
    await this.#records.touch(image.reference, this.#options.clock.now());
    return this.#rootfs.mount(containerId, record.diffIds);
  }

  unmountRootfs(containerId: string): Promise<void> {
    return this.#rootfs.unmount(containerId);
  }

  listRootfs(): Promise<readonly string[]> {
    return this.#rootfs.list();
  }

  async collectGarbage(inUse: ReadonlySet<string>, targetFreeBytes: number): Promise<number> {
    const before = await this.#freeBytes();
    const keep = new Set([...inUse].map((name) => formatReference(parseReference(name))));
    await this.#layers.removeDownloads(new Set(this.#wanted.keys()));
    await this.#removeUnusedLayers();
    const candidates = this.#records
      .list()
      .filter((record) => !keep.has(record.image.reference))
      .sort((a, b) => a.lastUsed - b.lastUsed);
    for (const record of candidates) {
      if ((await this.#freeBytes()) >= targetFreeBytes) break;
      await this.#records.remove(record.image.reference);
      await this.#removeUnusedLayers();
    }
    return Math.max(0, (await this.#freeBytes()) - before);
  }

  /** Layers of no image, no container and no running pull. */
  async #removeUnusedLayers(): Promise<void> {
    const used = new Set(await this.#rootfs.usedLayers());
    for (const record of this.#records.list()) for (const diffId of record.diffIds) used.add(diffId);
    for (const { diffId } of this.#layers.list()) {
      if (!used.has(diffId) && !this.#wanted.has(diffId)) await this.#layers.remove(diffId);
    }
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#layers.directory);
    return bavail * bsize;
  }

  /** Ends running pulls; what they have stays for the next ones. Mounts stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the image store is closing'));
  }
}
