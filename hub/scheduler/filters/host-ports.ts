/** Keeps two pods that want the same host port off one node. */
import type { Filter } from './filter.js';

const REASON = ["node(s) didn't have free ports for the requested pod ports"];

export const hostPorts: Filter = {
  name: 'NodePorts',
  events: ['node-added', 'pod-removed'],
  prepare(pod) {
    if (pod.hostPorts.length === 0) return undefined;
    return (node) => (node.portTaken(pod.hostPorts) ? REASON : undefined);
  },
};
