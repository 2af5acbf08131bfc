/**
 * Where the units that pods hold are now. Pure, and one to one: no unit stands for two that are held. A unit is
 * first looked for at its place; one with a serial number then anywhere. Adapters of one make that all carry the
 * same serial number are told apart by their places for as long as they stay there.
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
  return held.map(
    (one, index) =>
      found[index] ?? (one.name === undefined ? undefined : take((unit) => unit.identity.name === one.name)),
  );
}
