/** Keeps a pod to the nodes that its nodeSelector and its required node affinity allow. */
import { allowsNode } from '../node-selector.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const REASON = ["node(s) didn't match Pod's node affinity/selector"];

export const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  events: NODE_EVENTS,
  prepare({ pod }) {
    const { nodeSelector, affinity } = pod.spec;
    const selects = nodeSelector !== undefined && Object.keys(nodeSelector).length > 0;
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (!selects && required === undefined) return undefined;
    return (node) => (allowsNode(pod, node) ? undefined : REASON);
  },
};
