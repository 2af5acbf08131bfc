/** Keeps pods off nodes with a NoSchedule or NoExecute taint that they do not tolerate; a node that is not Ready always has one. */
import { firstUntolerated } from '../../client/tolerations.js';
import { type Filter, NODE_EVENTS } from './filter.js';

export const taintToleration: Filter = {
  name: 'TaintToleration',
  events: NODE_EVENTS,
  prepare(pod) {
    return (node) => {
      if (node.taints.length === 0) return undefined;
      const taint = firstUntolerated(node.taints, pod.tolerations);
      return taint && [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`];
    };
  },
};
