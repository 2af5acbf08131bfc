/**
 * The real volumes of pods. On disk, below the data directory: emptyDir. In memory, below the run directory:
 * emptyDir with medium Memory, and everything that the hub resolved (configMaps and secrets too: no secret
 * ever touches the disk in the clear, and the card is not worn). hostPath is used where it is.
 */
import { chmod, chown, mkdir, readdir, rm } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Volume } from '#protocol/core/v1/volume.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';
import { quantityToNumber } from '#protocol/meta/quantity.js';
import { orMissing } from '../lib/errno.js';
import { KeyedMutex } from '../lib/keyed-mutex.js';
import { fileSystemType, isMountPoint, mountTmpfs, TMPFS_MAGIC, unmountAll } from '../lib/mounts.js';
import { hostPathVolume } from './host-path.js';
import { keyedFiles, serviceAccountFiles } from './keyed-files.js';
import { writeKeyedVolume } from './keyed-volume.js';
import type { VolumesOptions } from './options.js';
import { mountSubPath } from './sub-path.js';
import { SERVICE_ACCOUNT_VOLUME, VolumeError, type Volumes } from './volumes.js';

/** Largest in-memory volume of resolved data: an API object has at most 1 MiB, a projection a few of them. */
const KEYED_BYTES = 16 * 1024 * 1024;
const SUB_PATHS = '.subpaths';
const KEYED_DIRECTORY = 'data';

export async function createVolumes(options: VolumesOptions): Promise<Volumes> {
  const volumes = new DeviceVolumes(options);
  await mkdir(volumes.disk, { recursive: true, mode: 0o711 });
  await mkdir(volumes.memory, { recursive: true, mode: 0o711 });
  return volumes;
}

class DeviceVolumes implements Volumes {
  readonly disk: string;
  readonly memory: string;
  readonly #pods = new KeyedMutex();

  constructor(options: VolumesOptions) {
    this.disk = join(options.dataDir, 'volumes');
    this.memory = join(options.runDir, 'volumes');
  }

  setUp(pod: Pod, resolved: ResolvedInputs): Promise<ReadonlyMap<string, string>> {
    const uid = safeName(pod.metadata.uid ?? '');
    return this.#pods.run(uid, async () => {
      const paths = new Map<string, string>();
      for (const volume of pod.spec?.volumes ?? []) {
        try {
          paths.set(volume.name, await this.#volume(uid, pod, volume, resolved));
        } catch (error) {
          throw worded(volume.name, error);
        }
      }
      if (wantsServiceAccount(pod, resolved)) {
        const files = serviceAccountFiles({ pod, resolved, capacity: capacity() });
        paths.set(SERVICE_ACCOUNT_VOLUME, await this.#keyed(uid, SERVICE_ACCOUNT_VOLUME, files, group(pod)));
      }
      return paths;
    });
  }

  async #volume(uid: string, pod: Pod, volume: Volume, resolved: ResolvedInputs): Promise<string> {
    const name = safeName(volume.name);
    if (volume.hostPath) return hostPathVolume(volume.hostPath.path, volume.hostPath.type ?? '');
    if (volume.emptyDir) return this.#emptyDir(uid, name, volume.emptyDir, group(pod));
    const files = keyedFiles(volume, { pod, resolved, capacity: capacity() });
    if (files) return this.#keyed(uid, name, files, group(pod));
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'empty';
    throw new VolumeError(`volume type "${kind}" is not supported by this device`);
  }

  async #emptyDir(
    uid: string,
    name: string,
    source: NonNullable<Volume['emptyDir']>,
    gid: number | undefined,
  ): Promise<string> {
    const inMemory = source.medium === 'Memory';
    if (!inMemory && source.medium !== undefined && source.medium !== '')
      throw new VolumeError(`emptyDir medium "${source.medium}" is not supported by this device`);
    const path = join(inMemory ? this.memory : this.disk, uid, name);
    const made = await mkdir(path, { recursive: true });
    if (inMemory && !(await isMountPoint(path))) {
      const size = source.sizeLimit === undefined ? {} : { sizeBytes: quantityToNumber(source.sizeLimit) };
      await mountTmpfs(path, { ...size, mode: '0777' });
      await own(path, gid);
    } else if (made !== undefined) {
      // Only a new directory: containers may have changed the one that they use.
      await own(path, gid);
    }
    return path;
  }

  async #keyed(
    uid: string,
    name: string,
    files: Parameters<typeof writeKeyedVolume>[1],
    gid: number | undefined,
  ): Promise<string> {
    const path = join(this.memory, uid, name);
    await mkdir(path, { recursive: true, mode: 0o755 });
    if ((await fileSystemType(path)) !== TMPFS_MAGIC)
      await mountTmpfs(path, { sizeBytes: KEYED_BYTES, mode: '0755' });
    const directory = join(path, KEYED_DIRECTORY);
    await writeKeyedVolume(directory, files, gid);
    return directory;
  }

  async subPath(podUid: string, volumePath: string, subPath: string, key: string): Promise<string> {
    const uid = safeName(podUid);
    const target = join(this.memory, uid, SUB_PATHS, safeName(key));
    await this.#pods.run(uid, async () => {
      await mkdir(join(this.memory, uid, SUB_PATHS), { recursive: true, mode: 0o711 });
      try {
        await mountSubPath(volumePath, subPath, target);
      } catch (error) {
        throw error instanceof VolumeError
          ? error
          : new VolumeError(`subPath "${subPath}": ${(error as Error).message}`, { cause: error });
      }
    });
    return target;
  }

  tearDown(podUid: string): Promise<void> {
    const uid = safeName(podUid);
    return this.#pods.run(uid, async () => {
      for (const base of [this.memory, this.disk]) {
        await unmountAll(join(base, uid));
        await rm(join(base, uid), { recursive: true, force: true });
      }
    });
  }

  async list(): Promise<readonly string[]> {
    const names = new Set<string>();
    for (const base of [this.disk, this.memory]) {
      for (const name of (await orMissing(readdir(base))) ?? []) names.add(name);
    }
    return [...names];
  }

  /** Volumes stay: containers use them without the agent. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** World-writable as kubelet's; with a group, new files inherit it. */
async function own(path: string, gid: number | undefined): Promise<void> {
  if (gid !== undefined) await chown(path, 0, gid);
  await chmod(path, gid === undefined ? 0o777 : 0o2777);
}

function group(pod: Pod): number | undefined {
  return pod.spec?.securityContext?.fsGroup;
}

function capacity() {
  return { cpuMillicores: availableParallelism() * 1000, memoryBytes: totalmem() };
}

function wantsServiceAccount(pod: Pod, resolved: ResolvedInputs): boolean {
  if (!resolved.serviceAccount || pod.spec?.automountServiceAccountToken === false) return false;
  return !(pod.spec?.volumes ?? []).some((volume) =>
    volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined),
  );
}

function safeName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(name)) return name;
  throw new VolumeError(`"${name.slice(0, 100)}" is not a name that a directory may have`);
}

function worded(name: string, error: unknown): VolumeError {
  const message = error instanceof Error ? error.message : String(error);
  return new VolumeError(`MountVolume.SetUp failed for volume "${name}": ${message}`, { cause: error });
}
