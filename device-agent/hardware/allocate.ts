/**
 * Which units a pod gets, or why it gets none. Pure: requests, what is present and what others hold → the
 * allocation of the whole pod at once, all or nothing. Init containers run one after another and before the
 * others, so what one of them had is given on to those that follow; sidecars keep theirs.
 *
 * Safety, properties in test/property/hardware.test.ts: no unit is given to two pods; a unit whose device number
 * a container of another pod can still open is given to nobody; the same input gives the same units.
 */
import { locate } from './locate.js';
import type { ContainerRequest } from './requests.js';
import { exclusiveNumbers, type HeldUnit, heldKey, type Unit } from './unit.js';

/** Container name → its units. */
export type Allocation = ReadonlyMap<string, readonly HeldUnit[]>;

export interface Holding {
  readonly uid: string;
  /** The pod is being stopped: what it holds is free soon. */
  readonly leaving: boolean;
  readonly allocation: Allocation;
}

export interface Shortage {
  readonly resource: string;
  readonly wanted: number;
  readonly free: number;
  /** Enough will be free when pods that are being stopped are gone. */
  readonly awaited: boolean;
}

export type AllocationPlan = { readonly allocation: Allocation } | { readonly shortage: Shortage };

export interface AllocationInput {
  readonly requests: readonly ContainerRequest[];
  readonly present: readonly Unit[];
  /** Of all other pods. */
  readonly holdings: readonly Holding[];
  /** Device numbers that containers of other pods can open. */
  readonly opened: ReadonlySet<string>;
}

export function planAllocation({ requests, present, holdings, opened }: AllocationInput): AllocationPlan {
  const allocation = new Map<string, HeldUnit[]>();
  const supplies = new Map<string, Supply>();
  for (const { container, role, resources } of requests) {
    const units: HeldUnit[] = [];
    for (const [resource, wanted] of resources) {
      let supply = supplies.get(resource);
      if (supply === undefined) {
        supply = supplyOf(resource, present, holdings, opened);
        supplies.set(resource, supply);
      }
      const given = [...supply.reusable.slice(0, wanted)];
      given.push(...supply.free.slice(0, wanted - given.length));
      if (given.length < wanted) {
        const awaited = given.length + supply.awaited >= wanted;
        return { shortage: { resource, wanted, free: given.length, awaited } };
      }
      supply.free = supply.free.filter((unit) => !given.includes(unit));
      supply.reusable = supply.reusable.filter((unit) => !given.includes(unit));
      if (role === 'init') supply.reusable = [...given, ...supply.reusable];
      units.push(...given.map(({ identity }) => ({ resource, identity })));
    }
    allocation.set(container, units);
  }
  return { allocation };
}

interface Supply {
  free: readonly Unit[];
  /** What an earlier init container of the same pod had. */
  reusable: readonly Unit[];
  /** Units that will be free. */
  readonly awaited: number;
}

function supplyOf(
  resource: string,
  present: readonly Unit[],
  holdings: readonly Holding[],
  opened: ReadonlySet<string>,
): Supply {
  const units = present.filter((unit) => unit.resource === resource);
  const held = holdings.flatMap(({ allocation, leaving }) =>
    identitiesOf(allocation, resource).map((identity) => ({ identity, leaving })),
  );
  const found = locate(
    held.map(({ identity }) => identity),
    units,
  );
  const taken = new Set(found);
  const untaken = units.filter((unit) => !taken.has(unit));
  const free = untaken.filter((unit) => !exclusiveNumbers(unit).some((number) => opened.has(number)));
  const leaving = held.filter((one, index) => one.leaving && found[index] !== undefined).length;
  return { free, reusable: [], awaited: leaving + untaken.length - free.length };
}

/** Units of a pod, each once: init containers hand theirs on. */
export function unitsOf(allocation: Allocation): readonly HeldUnit[] {
  const units = new Map<string, HeldUnit>();
  for (const one of [...allocation.values()].flat()) units.set(heldKey(one), one);
  return [...units.values()];
}

function identitiesOf(allocation: Allocation, resource: string): readonly HeldUnit['identity'][] {
  return unitsOf(allocation)
    .filter((unit) => unit.resource === resource)
    .map(({ identity }) => identity);
}
