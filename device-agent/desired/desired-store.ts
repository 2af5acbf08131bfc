/**
 * The last accepted assignments on disk, one sealed file per pod: an assignment is acknowledged to the hub
 * only after its file is flushed, and the device runs from these files with no hub at all. A damaged file
 * is set aside under a name that says so, with a warning; it never stops the others. Receiving an
 * assignment again writes nothing.
 *
 * A pod whose file was damaged is in `heldBack`: its containers must be left as they are until the hub has
 * said what it wants of them (a fresh assignment, or silence after a complete exchange).
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { Assignment } from '#protocol/link/assignment.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import type { Sealer } from '../lib/seal.js';
import {
  makePrivateDirectory,
  removeFileDurably,
  removeGarbage,
  setAside,
  TEMPORARY_SUFFIX,
} from '../lib/state-dir.js';
import { acceptAssignment, type DesiredPod, desiredPodSchema } from './desired-pod.js';

const SUFFIX = '.pod';
const DAMAGED_SUFFIX = '.damaged';
/** Damaged files kept for a look beside those of pods that are held back; more are removed. */
const MAX_DAMAGED = 8;
/** Pod uids become file names. */
const SAFE_UID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

export interface DesiredStoreOptions {
  /** Directory of its own; made when missing. */
  readonly directory: string;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An assignment that cannot be kept here. */
export class DesiredStoreError extends Error {
  override readonly name = 'DesiredStoreError';
}

export class DesiredStore {
  readonly #options: DesiredStoreOptions;
  readonly #pods: Map<string, DesiredPod>;
  readonly #heldBack: Set<string>;
  /** One chain of writes: assignments of one pod reach the disk in the order in which they came. */
  #writes: Promise<unknown> = Promise.resolve();

  private constructor(options: DesiredStoreOptions, pods: Map<string, DesiredPod>, heldBack: Set<string>) {
    this.#options = options;
    this.#pods = pods;
    this.#heldBack = heldBack;
  }

  /** Reads what is on disk. Rejects only when the directory itself cannot be read. */
  static async open(options: DesiredStoreOptions): Promise<DesiredStore> {
    await makePrivateDirectory(options.directory);
    const pods = new Map<string, DesiredPod>();
    const heldBack = new Set<string>();
    const damaged: string[] = [];
    for (const name of (await readdir(options.directory)).sort()) {
      const path = join(options.directory, name);
      if (name.endsWith(TEMPORARY_SUFFIX)) await removeGarbage(path);
      else if (name.endsWith(DAMAGED_SUFFIX)) {
        damaged.push(path);
        heldBack.add(uidOfDamaged(path));
      }
      if (!name.endsWith(SUFFIX)) continue;
      const uid = name.slice(0, -SUFFIX.length);
      try {
        pods.set(uid, parse(options.sealer.unseal(await readFile(path), uid), uid));
      } catch (error) {
        heldBack.add(uid);
        damaged.push(path + DAMAGED_SUFFIX);
        options.logger.warn(
          { err: error, file: path, setAside: path + DAMAGED_SUFFIX },
          'desired state of one pod is damaged; it is set aside, its containers stay as they are until the hub sends it again',
        );
        await setAside(path, path + DAMAGED_SUFFIX);
      }
    }
    for (const uid of pods.keys()) heldBack.delete(uid);
    // The file is what holds a pod back at the next start.
    const spare = damaged.filter((path) => !heldBack.has(uidOfDamaged(path)));
    for (const path of spare.slice(0, -MAX_DAMAGED)) await removeGarbage(path);
    return new DesiredStore(options, pods, heldBack);
  }

  get(uid: string): DesiredPod | undefined {
    return this.#pods.get(uid);
  }

  all(): readonly DesiredPod[] {
    return [...this.#pods.values()];
  }

  /** What this device has, for hello: uid → revision. */
  revisions(): ReadonlyMap<string, string> {
    return new Map([...this.#pods.values()].map((pod) => [pod.uid, pod.revision]));
  }

  /** Pods whose desired state was damaged and that the hub has not spoken about since. */
  get heldBack(): ReadonlySet<string> {
    return this.#heldBack;
  }

  /**
   * Keeps an assignment; resolves once it is on disk. True when it changed something. Rejects with
   * DesiredStoreError for a uid that is no file name, or with the system's error when the disk refuses.
   */
  accept(assignment: Assignment): Promise<boolean> {
    return this.#serial(async () => {
      const { uid } = assignment;
      if (!SAFE_UID.test(uid)) throw new DesiredStoreError(`pod uid is not usable as a file name: ${uid}`);
      const next = acceptAssignment(this.#pods.get(uid), assignment, this.#options.clock.now());
      if (next === undefined) return false;
      const sealed = this.#options.sealer.seal(Buffer.from(JSON.stringify(next)), uid);
      await writeFileAtomic(this.#path(uid), sealed);
      this.#pods.set(uid, next);
      await this.#release(uid);
      return true;
    });
  }

  /** Drops a pod of which nothing is left on the device, unless the hub has asked for something else since `revision`. */
  forget(uid: string, revision: string): Promise<void> {
    return this.#serial(async () => {
      if (this.#pods.get(uid)?.revision !== revision) return;
      this.#pods.delete(uid);
      await removeFileDurably(this.#path(uid));
    });
  }

  /** The hub has told all that it wants of this device: what it did not mention is held back no longer. */
  releaseHeldBack(): Promise<void> {
    return this.#serial(async () => {
      for (const uid of [...this.#heldBack]) await this.#release(uid);
    });
  }

  async #release(uid: string): Promise<void> {
    if (!this.#heldBack.delete(uid)) return;
    await rm(this.#path(uid) + DAMAGED_SUFFIX, { force: true });
  }

  #path(uid: string): string {
    return join(this.#options.directory, uid + SUFFIX);
  }

  #serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writes.then(work);
    // The caller sees the failure; the chain itself goes on with the next write.
    this.#writes = result.catch(() => undefined);
    return result;
  }
}

function uidOfDamaged(path: string): string {
  return basename(path).slice(0, -(SUFFIX + DAMAGED_SUFFIX).length);
}

function parse(bytes: Uint8Array, uid: string): DesiredPod {
  const pod = desiredPodSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  if (pod.uid !== uid) throw new DesiredStoreError(`file of pod ${uid} holds pod ${pod.uid}`);
  return pod;
}
