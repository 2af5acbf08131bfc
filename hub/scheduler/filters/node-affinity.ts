/** Keeps a pod to the nodes that its nodeSelector and its required node affinity allow. */
import { matchesAnyTerm } from '../node-selector.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const REASON = ["node(s) didn't match Pod's node affinity/selector"];

export const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  events: NODE_EVENTS,
  prepare({ pod }) {
    const selector = Object.entries(pod.spec.nodeSelector ?? {});
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (selector.length === 0 && required === undefined) return undefined;
    return (node) => {
      for (const [key, value] of selector) if (node.labels[key] !== value) return REASON;
      if (required !== undefined && !matchesAnyTerm(required.nodeSelectorTerms, node)) return REASON;
      return undefined;
    };
  },
};
