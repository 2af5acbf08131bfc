/** Keeps pods off cordoned nodes, unless they tolerate `node.kubernetes.io/unschedulable`. */
import type { Taint } from '#protocol/core/v1/node.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import { firstUntolerated } from '../../client/tolerations.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const CORDON: Taint = { key: TAINT.unschedulable, effect: 'NoSchedule' };
const REASON = ['node(s) were unschedulable'];

export const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  events: NODE_EVENTS,
  prepare(pod) {
    if (firstUntolerated([CORDON], pod.tolerations) === undefined) return undefined;
    return (node) => (node.unschedulable ? REASON : undefined);
  },
};
