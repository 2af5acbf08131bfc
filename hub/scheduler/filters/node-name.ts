/** Keeps a pod to the node that `spec.nodeName` asks for; without one it rejects nothing. */
import { type Filter, NODE_EVENTS } from './filter.js';

const REASON = ["node(s) didn't match the requested node name"];

export const nodeName: Filter = {
  name: 'NodeName',
  events: NODE_EVENTS,
  prepare({ pod }) {
    const wanted = pod.spec.nodeName;
    if (!wanted) return undefined;
    return (node) => (node.name === wanted ? undefined : REASON);
  },
};
