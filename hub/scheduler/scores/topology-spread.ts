/** topologySpreadConstraints with `ScheduleAnyway`: the fewer matching pods a node's domains have, the better. */
import { countByDomain } from '../filters/topology-spread.js';
import { allowsNode } from '../node-selector.js';
import { termSelector } from '../pod-terms.js';
import type { Score } from './score.js';

export const softTopologySpread: Score = {
  name: 'PodTopologySpread',
  weight: 2,
  scale: 'less-is-better',
  prepare({ pod }, snapshot) {
    const constraints = (pod.spec.topologySpreadConstraints ?? []).filter(
      ({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway',
    );
    if (constraints.length === 0) return undefined;
    const spreads = constraints.map((constraint) => {
      const { topologyKey: key } = constraint;
      const selector = termSelector(pod, constraint.labelSelector, constraint.matchLabelKeys);
      const counts = countByDomain(pod, key, selector, snapshot, (node) => allowsNode(pod, node));
      // Keys with many domains say more about a node than keys with few.
      return { key, counts, weight: Math.log(counts.size + 2), worst: Math.max(0, ...counts.values()) + 1 };
    });
    return (node) => {
      let sum = 0;
      for (const { key, counts, weight, worst } of spreads) {
        const value = node.labels[key];
        sum += weight * (value === undefined ? worst : (counts.get(value) ?? 0));
      }
      return sum;
    };
  },
};
