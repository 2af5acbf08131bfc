/**
 * Order of a merged list. Items that the patch names come in the patch's order, the others in the order of the
 * live list; where the two meet, an item of the live list goes before a patched one that it preceded there.
 */

/** `wanted` and `live` hold identities; `list` the items. Items and identities are unique. */
export function mergeOrder<T>(
  list: readonly T[],
  wanted: readonly unknown[],
  live: readonly unknown[],
  identity: (item: T) => unknown,
): T[] {
  const wantedAt = positions(wanted);
  const liveAt = positions(live);
  const patched = list
    .filter((item) => wantedAt.has(identity(item)))
    .sort((a, b) => (wantedAt.get(identity(a)) ?? 0) - (wantedAt.get(identity(b)) ?? 0));
  const others = list
    .filter((item) => !wantedAt.has(identity(item)))
    .sort((a, b) => (liveAt.get(identity(a)) ?? list.length) - (liveAt.get(identity(b)) ?? list.length));
  const ordered: T[] = [];
  let next = 0;
  for (const item of patched) {
    const place = liveAt.get(identity(item));
    while (place !== undefined && next < others.length) {
      const other = others[next] as T;
      const otherPlace = liveAt.get(identity(other));
      if (otherPlace === undefined || otherPlace > place) break;
      ordered.push(other);
      next += 1;
    }
    ordered.push(item);
  }
  return [...ordered, ...others.slice(next)];
}

function positions(identities: readonly unknown[]): Map<unknown, number> {
  const map = new Map<unknown, number>();
  for (const [index, identity] of identities.entries()) if (!map.has(identity)) map.set(identity, index);
  return map;
}
