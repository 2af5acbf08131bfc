/**
 * The hardware of one pod as the planner and the pod's status see it: whether it has what it asks for, which of
 * its units are not there, and which of its containers were given device numbers that are no longer theirs. Pure.
 */
import type { Allocation, Shortage } from './allocate.js';
import { locate } from './locate.js';
import { describeIdentity, exclusiveNumbers, type HeldUnit, heldKey, numbersOf, type Unit } from './unit.js';

export interface PodHardware {
  /** Whether units are set aside for the pod, present or not. */
  readonly held: boolean;
  /** Why it can have none now; only while it holds none. */
  readonly shortage?: Shortage;
  /** Units that it holds and that are not there, described for people; by container name. */
  readonly missing: ReadonlyMap<string, readonly string[]>;
  /** Ids of containers that must be made anew, because their units have other device numbers now. */
  readonly outdated: ReadonlySet<string>;
}

/** A container that was given device nodes and is not deleted yet. */
export interface OpenedContainer {
  readonly podUid: string;
  readonly container: string;
  readonly numbers: readonly string[];
}

/** The units of each container now, in the order in which they were asked for; undefined where one is missing. */
export function locateAll(
  allocation: Allocation,
  locateHeld: (unit: HeldUnit) => Unit | undefined,
): ReadonlyMap<string, ReadonlyArray<readonly [HeldUnit, Unit | undefined]>> {
  return new Map(
    [...allocation].map(([container, units]) => [
      container,
      units.map((unit): readonly [HeldUnit, Unit | undefined] => [unit, locateHeld(unit)]),
    ]),
  );
}

export function heldHardware(
  allocation: Allocation,
  opened: ReadonlyMap<string, OpenedContainer>,
  present: readonly Unit[],
  locateHeld: (unit: HeldUnit) => Unit | undefined,
): PodHardware {
  const located = locateAll(allocation, locateHeld);
  const missing = new Map<string, readonly string[]>();
  for (const [container, units] of located) {
    const absent = units.filter(([, unit]) => unit === undefined).map(([held]) => describeHeld(held));
    if (absent.length > 0) missing.set(container, absent);
  }
  const outdated = new Set<string>();
  for (const [id, { container, numbers }] of opened) {
    const own = (located.get(container) ?? []).map(([, unit]) => unit).filter((unit) => unit !== undefined);
    const ownNumbers = new Set(own.flatMap(numbersOf));
    const strange = numbers.filter((number) => !ownNumbers.has(number));
    if (strange.length === 0) continue;
    // A unit that is away is waited for; its number must not let the container at somebody else's meanwhile.
    const reused = present.some(
      (unit) => !own.includes(unit) && exclusiveNumbers(unit).some((number) => strange.includes(number)),
    );
    if (reused || !missing.has(container)) outdated.add(id);
  }
  return { held: true, missing, outdated };
}

function describeHeld({ resource, identity }: HeldUnit): string {
  return `${resource} (${describeIdentity(identity)})`;
}

/** Where the unit is now, and what it is. */
export function describeGiven(held: HeldUnit, unit: Unit | undefined): string {
  const names = (unit?.nodes ?? []).map(({ paths }) => paths[0]).join(', ');
  return names === '' ? describeHeld(held) : `${describeHeld(held)} at ${names}`;
}

/** One mapping for all that is held on the device, so that no unit is found for two. */
export function locator(
  held: readonly HeldUnit[],
  present: readonly Unit[],
): (unit: HeldUnit) => Unit | undefined {
  const found = new Map<string, Unit | undefined>();
  for (const resource of new Set(held.map((one) => one.resource))) {
    const own = held.filter((one) => one.resource === resource);
    const units = locate(
      own.map(({ identity }) => identity),
      present.filter((unit) => unit.resource === resource),
    );
    own.forEach((one, index) => {
      found.set(heldKey(one), units[index]);
    });
  }
  return (unit) => found.get(heldKey(unit));
}
