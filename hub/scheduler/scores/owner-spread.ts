/** Spreads the pods of one owner over nodes: the fewer of them a node has, the better. Outweighs every other score. */
import type { Score } from './score.js';

export const ownerSpread: Score = {
  name: 'OwnerSpread',
  weight: 4,
  scale: 'less-is-better',
  prepare(pod) {
    const { owner } = pod;
    if (owner === '') return undefined;
    return (node) => node.podsOf(owner);
  },
};
