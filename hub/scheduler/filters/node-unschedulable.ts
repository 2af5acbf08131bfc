/** Keeps pods off cordoned nodes, unless they tolerate `node.kubernetes.io/unschedulable`. */
import { firstUntolerated } from '../tolerations.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const REASON = ['node(s) were unschedulable'];

export const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  events: NODE_EVENTS,
  prepare(pod) {
    if (firstUntolerated([TAINT], pod.tolerations) === undefined) return undefined;
    return (node) => (node.unschedulable ? REASON : undefined);
  },
};
