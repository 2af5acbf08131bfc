/** Prefers nodes with fewer PreferNoSchedule taints that the pod does not tolerate. */
import { tolerates } from '../../client/tolerations.js';
import type { Score } from './score.js';

export const softTaints: Score = {
  name: 'TaintToleration',
  weight: 3,
  scale: 'less-is-better',
  prepare(pod, snapshot) {
    if (snapshot.softTaintedNodes === 0) return undefined;
    return (node) =>
      node.softTaints.filter((taint) => !pod.tolerations.some((one) => tolerates(one, taint))).length;
  },
};
