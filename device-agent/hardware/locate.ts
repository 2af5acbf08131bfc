/**
 * Where the units that pods hold are now. Pure, and one to one: no unit stands for two that are held. A unit is
 * first looked for at its place; one with a serial number of its own then anywhere. Adapters of a make that gives all
 * the same serial number are told apart by their places only.
 */
import { sameIdentity, type Unit, type UnitIdentity } from './unit.js';

/** One result for each of `held`, which are units of one resource: the present unit, or undefined. */
export function locate(
  held: readonly UnitIdentity[],
  present: readonly Unit[],
): ReadonlyArray<Unit | undefined> {
  const left = new Set(present);
  const take = (fits: (unit: Unit) => boolean): Unit | undefined => {
    for (const unit of left)
      if (fits(unit)) {
        left.delete(unit);
        return unit;
      }
    return undefined;
  };
  const found = held.map((one) => take((unit) => sameIdentity(unit.identity, one)));
  const elsewhere = ({ name, twin }: UnitIdentity) =>
    name === undefined || twin === true
      ? undefined
      : take(({ identity }) => identity.name === name && identity.twin !== true);
  return held.map((one, index) => found[index] ?? elsewhere(one));
}
