/** Preferred affinity and anti-affinity between pods, by weight, of the pod that is being placed. */
import { compileWeighted } from '../pod-terms.js';
import { TopologyCounts } from '../topology.js';
import type { Score } from './score.js';

export const preferredPodAffinity: Score = {
  name: 'InterPodAffinity',
  weight: 2,
  scale: 'range',
  prepare({ pod }, snapshot) {
    const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
    const terms = [
      ...compileWeighted(pod, podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
      ...compileWeighted(pod, podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
    ];
    if (terms.length === 0) return undefined;
    const sums = new TopologyCounts();
    for (const node of snapshot.nodes)
      for (const { pod: other } of node.pods.values())
        for (const { weight, term } of terms) {
          const value = node.labels[term.topologyKey];
          if (value !== undefined && term.matches(other, snapshot.namespaceLabels))
            sums.add(term.topologyKey, value, weight);
        }
    const keys = [...sums.keys()];
    if (keys.length === 0) return undefined;
    return (node) => keys.reduce((sum, key) => sum + sums.get(key, node.labels[key]), 0);
  },
};
