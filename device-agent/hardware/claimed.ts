/** Units of a hollow device: as many as were claimed, with nothing behind them. */
import type { Discover } from './discover.js';
import { RESOURCE_PREFIX, type Unit } from './unit.js';

export function claimedUnits(claimed: Readonly<Record<string, number>>): Discover {
  const units = Object.entries(claimed).flatMap(([name, count]) =>
    Array.from(
      { length: count },
      (_, index): Unit => ({
        resource: RESOURCE_PREFIX + name,
        identity: { place: `claimed/${name}/${index}` },
        nodes: [],
      }),
    ),
  );
  return async () => units;
}
