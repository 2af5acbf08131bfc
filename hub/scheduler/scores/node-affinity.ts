/** Prefers nodes by the weights of the pod's preferred node affinity. */
import { matchesTerm } from '../node-selector.js';
import type { Score } from './score.js';

export const preferredNodeAffinity: Score = {
  name: 'NodeAffinity',
  weight: 2,
  scale: 'more-is-better',
  prepare({ pod }) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (preferred.length === 0) return undefined;
    return (node) => {
      let sum = 0;
      for (const { weight, preference } of preferred) if (matchesTerm(preference, node)) sum += weight;
      return sum;
    };
  },
};
