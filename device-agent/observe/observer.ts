/**
 * Looks at reality: everything that runtime, network, images and volumes have on this device, sorted by
 * pod. One look serves all pods that ask at the same time; it is repeated only after something changed
 * (`invalidate`), so an idle device is not looked at again and again.
 */
import type { ImageStore } from '../images/image-store.js';
import type { Network, Sandbox } from '../network/network.js';
import type { ContainerState, Runtime } from '../runtime/runtime.js';
import type { Volumes } from '../volumes/volumes.js';

export interface ObserverOptions {
  readonly runtime: Pick<Runtime, 'list'>;
  readonly network: Pick<Network, 'list'>;
  readonly images: Pick<ImageStore, 'listRootfs'>;
  readonly volumes: Pick<Volumes, 'list'>;
}

/** One look at the whole device, by pod uid. */
export interface Look {
  readonly containers: ReadonlyMap<string, readonly ContainerState[]>;
  readonly sandboxes: ReadonlyMap<string, Sandbox>;
  readonly rootfs: ReadonlyMap<string, readonly string[]>;
  readonly volumes: ReadonlySet<string>;
}

const CONTAINER_ID = /^(.+)-(\d+)$/;
const UUID_LENGTH = 36;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export class Observer {
  readonly #options: ObserverOptions;
  #generation = 0;
  #lookGeneration = -1;
  #look: Promise<Look> | undefined;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Something has changed: looks asked for from now on are new. */
  invalidate(): void {
    this.#generation += 1;
  }

  /** Reality no older than the last `invalidate`. Rejects with the error of the part that could not be asked. */
  look(): Promise<Look> {
    if (this.#look === undefined || this.#lookGeneration !== this.#generation) {
      this.#lookGeneration = this.#generation;
      const look = this.#take();
      this.#look = look;
      look.catch(() => {
        // Every caller sees the error; the next one must not be given it again.
        if (this.#look === look) this.#look = undefined;
      });
    }
    return this.#look;
  }

  async #take(): Promise<Look> {
    const { runtime, network, images, volumes } = this.#options;
    const [states, sandboxes, rootfs, withVolumes] = await Promise.all([
      runtime.list(),
      network.list(),
      images.listRootfs(),
      volumes.list(),
    ]);
    const uids = new Set([...states.map((state) => state.key.podUid), ...sandboxes.map((one) => one.podUid)]);
    return {
      containers: groupBy(states, (state) => state.key.podUid),
      sandboxes: new Map(sandboxes.map((sandbox) => [sandbox.podUid, sandbox])),
      rootfs: groupBy(rootfs, (id) => podUidOf(id, uids)),
      volumes: new Set(withVolumes),
    };
  }
}

/** Every pod of which anything is on the device. */
export function podsOf(look: Look): ReadonlySet<string> {
  return new Set([
    ...look.containers.keys(),
    ...look.sandboxes.keys(),
    ...look.rootfs.keys(),
    ...look.volumes,
  ]);
}

/** The pod of a container id. A uid and a container name may both hold dashes: known uids and UUIDs decide. */
export function podUidOf(containerId: string, known: ReadonlySet<string>): string {
  const start = containerId.slice(0, UUID_LENGTH);
  if (UUID.test(start)) return start;
  for (const uid of known) if (containerId.startsWith(`${uid}-`)) return uid;
  const withoutAttempt = CONTAINER_ID.exec(containerId)?.[1] ?? containerId;
  const dash = withoutAttempt.lastIndexOf('-');
  return dash > 0 ? withoutAttempt.slice(0, dash) : withoutAttempt;
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
