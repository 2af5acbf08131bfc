/**
 * The hardware of this device that pods can have: what is there, who has what, and what a container is to be
 * given. Allocations are on disk before anything is given; one is made at a time, so that no unit goes to two
 * pods. Listeners hear when units come or go and when a pod gives its units back.
 */
import type { PodSpec } from '#protocol/core/v1/pod.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type Holding, planAllocation, type Shortage, unitsOf } from './allocate.js';
import { AllocationStore } from './allocation-store.js';
import { type ContainerHardware, containerHardware } from './container-hardware.js';
import type { Discover } from './discover.js';
import {
  describeGiven,
  heldHardware,
  locateAll,
  locator,
  type OpenedContainer,
  type PodHardware,
} from './pod-hardware.js';
import { hardwareRequests } from './requests.js';
import { type HeldUnit, RESOURCE_PREFIX, sameIdentity, type Unit } from './unit.js';

/** For this long after the agent's start what is missing may still be on its way: USB takes its time at boot. */
const SETTLE_MS = 30_000;

export interface HardwareOptions {
  readonly directory: string;
  /** Names without prefix; each is reported, with 0 units too. */
  readonly resources: readonly string[];
  readonly discover: Discover;
  /** Whether the pod is being stopped. */
  readonly leaving: (uid: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds; SETTLE_MS unless given. */
  readonly settleMs?: number;
}

export type AllocationResult = { readonly units: readonly string[] } | { readonly shortage: Shortage };

export class Hardware implements Disposable {
  readonly #options: HardwareOptions;
  readonly #store: AllocationStore;
  readonly #opened = new Map<string, OpenedContainer>();
  readonly #listeners = new Set<() => void>();
  readonly #settled: Disposable;
  #units: readonly Unit[];
  #settling = true;
  /** One chain: scans and allocations see each other's results. */
  #work: Promise<unknown> = Promise.resolve();

  private constructor(options: HardwareOptions, store: AllocationStore, units: readonly Unit[]) {
    this.#options = options;
    this.#store = store;
    this.#units = units;
    this.#settled = options.clock.setTimer(options.settleMs ?? SETTLE_MS, () => {
      this.#settling = false;
      this.#tell();
    });
  }

  static async open(options: HardwareOptions): Promise<Hardware> {
    const store = await AllocationStore.open(options.directory, options.logger);
    const hardware = new Hardware(options, store, await firstLook(options));
    await hardware.#follow();
    return hardware;
  }

  /** Pods that hold units. */
  uids(): readonly string[] {
    return [...this.#store.all().keys()];
  }

  /** Resource → number of units that are there; what a node reports as capacity. */
  capacity(): Record<string, string> {
    const counts = new Map(this.#options.resources.map((name) => [RESOURCE_PREFIX + name, 0]));
    for (const { resource } of this.#units) counts.set(resource, (counts.get(resource) ?? 0) + 1);
    return Object.fromEntries([...counts].map(([resource, count]) => [resource, String(count)]));
  }

  /** Called when a plan that waits for hardware, or that was made with it, may come out differently. */
  onChange(changed: () => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  /** Looks at what is there. Resolves with whether anything has changed. */
  scan(): Promise<boolean> {
    return this.#serial(async () => {
      const units = await this.#options.discover();
      if (units === this.#units) return false;
      this.#units = units;
      await this.#follow();
      this.#options.logger.info({ units: this.capacity() }, 'the hardware of this device has changed');
      this.#tell();
      return true;
    });
  }

  /** Undefined for a pod that asks for none and has none. `spec` is undefined for a pod that is only known by what it left. */
  view(uid: string, spec: PodSpec | undefined): PodHardware | undefined {
    const allocation = this.#store.all().get(uid);
    if (allocation !== undefined) {
      const opened = new Map([...this.#opened].filter(([, one]) => one.podUid === uid));
      return heldHardware(allocation, opened, this.#units, this.#locator());
    }
    if (spec === undefined || hardwareRequests(spec).length === 0) return undefined;
    const planned = this.#plan(uid, spec);
    return {
      held: false,
      missing: new Map(),
      outdated: new Set(),
      ...('shortage' in planned && { shortage: planned.shortage }),
    };
  }

  /** Sets units aside for the pod; resolves once that is on disk, with descriptions, or with what is short. */
  allocate(uid: string, spec: PodSpec): Promise<AllocationResult> {
    return this.#serial(async () => {
      const before = this.#store.all().get(uid);
      const planned = before === undefined ? this.#plan(uid, spec) : { allocation: before };
      if ('shortage' in planned) return planned;
      if (before === undefined) await this.#store.put(uid, planned.allocation);
      const locateHeld = this.#locator();
      return { units: unitsOf(planned.allocation).map((one) => describeGiven(one, locateHeld(one))) };
    });
  }

  /** Gives the pod's units back. */
  release(uid: string): Promise<void> {
    return this.#serial(async () => {
      if (!this.#store.all().has(uid)) return;
      await this.#store.remove(uid);
      for (const [id, { podUid }] of this.#opened) if (podUid === uid) this.#opened.delete(id);
      this.#tell();
    });
  }

  /** What a container is given now, nothing for most; undefined when one of its units is not there. */
  forContainer(uid: string, container: string): ContainerHardware | undefined {
    const allocation = this.#store.all().get(uid) ?? new Map();
    const units = (locateAll(allocation, this.#locator()).get(container) ?? []).map(([, unit]) => unit);
    const present = units.filter((unit) => unit !== undefined);
    return present.length === units.length ? containerHardware(present) : undefined;
  }

  /** The container was given these device numbers; until it is deleted nobody else is given what they stand for. */
  opened(id: string, container: OpenedContainer): void {
    if (container.numbers.length > 0) this.#opened.set(id, container);
  }

  deleted(id: string): void {
    if (this.#opened.delete(id)) this.#tell();
  }

  #plan(uid: string, spec: PodSpec): ReturnType<typeof planAllocation> {
    const others = [...this.#opened.values()].filter((one) => one.podUid !== uid);
    const holdings = [...this.#store.all()]
      .filter(([other]) => other !== uid)
      .map(
        ([other, allocation]): Holding => ({ uid: other, leaving: this.#options.leaving(other), allocation }),
      );
    const planned = planAllocation({
      requests: hardwareRequests(spec),
      present: this.#units,
      holdings,
      opened: new Set(others.flatMap(({ numbers }) => numbers)),
    });
    if (!('shortage' in planned) || !this.#settling) return planned;
    return { shortage: { ...planned.shortage, awaited: true } };
  }

  #locator(): (unit: HeldUnit) => Unit | undefined {
    return locator([...this.#store.all().values()].flatMap(unitsOf), this.#units);
  }

  /** A unit that was found at another place is known by that place from now on, and that it has a twin. */
  async #follow(): Promise<void> {
    const locateHeld = this.#locator();
    for (const [uid, allocation] of this.#store.all()) {
      const moved = unitsOf(allocation).some((one) => !isWhereItWas(one, locateHeld(one)));
      if (!moved) continue;
      const units = [...allocation].map(([container, held]): [string, readonly HeldUnit[]] => [
        container,
        held.map((one) => followed(one, locateHeld(one))),
      ]);
      try {
        await this.#store.put(uid, new Map(units));
      } catch (error) {
        // Found by its serial number all the same, now and at the next look.
        this.#options.logger.warn(
          { err: error, uid },
          'where the hardware of a pod is now could not be kept',
        );
      }
    }
  }

  #tell(): void {
    for (const changed of this.#listeners) changed();
  }

  #serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    // The caller sees the failure; the chain itself goes on.
    this.#work = result.catch(() => undefined);
    return result;
  }

  [Symbol.dispose](): void {
    this.#settled[Symbol.dispose]();
    this.#listeners.clear();
  }
}

/** What cannot be looked at now does not keep the agent from starting; later looks may do better. */
async function firstLook({ discover, logger }: HardwareOptions): Promise<readonly Unit[]> {
  try {
    return await discover();
  } catch (error) {
    logger.warn({ err: error }, 'the hardware of this device could not be looked at');
    return [];
  }
}

function isWhereItWas(held: HeldUnit, unit: Unit | undefined): boolean {
  if (unit === undefined) return true;
  return (
    sameIdentity(unit.identity, held.identity) &&
    (held.identity.twin ?? unit.identity.twin) === held.identity.twin
  );
}

function followed(held: HeldUnit, unit: Unit | undefined): HeldUnit {
  if (unit === undefined) return held;
  const twin = held.identity.twin ?? unit.identity.twin;
  return { resource: held.resource, identity: { ...unit.identity, ...(twin && { twin }) } };
}
