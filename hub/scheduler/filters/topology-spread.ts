/**
 * topologySpreadConstraints with `DoNotSchedule`: no domain may have more than maxSkew matching pods above the
 * emptiest one. Domains are those of nodes that the pod may run on at all.
 */
import type { Pod, TopologySpreadConstraint } from '#protocol/core/v1/pod.js';
import { matchesSelector, type Selector } from '#protocol/meta/label-selector.js';
import { firstUntolerated } from '../../client/tolerations.js';
import type { NodeInfo } from '../node-info.js';
import { allowsNode } from '../node-selector.js';
import { termSelector } from '../pod-terms.js';
import type { Snapshot } from '../snapshot.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const SKEWED = ["node(s) didn't match pod topology spread constraints"];
const NO_LABEL = ["node(s) didn't match pod topology spread constraints (missing required label)"];

export const topologySpread: Filter = {
  name: 'PodTopologySpread',
  events: [...NODE_EVENTS, 'pod-bound', 'pod-removed'],
  prepare({ pod }, snapshot) {
    const constraints = (pod.spec.topologySpreadConstraints ?? []).filter(
      ({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule',
    );
    if (constraints.length === 0) return undefined;
    const spreads = constraints.map((constraint) => spreadOf(pod, constraint, constraints, snapshot));
    return (node) => {
      for (const { key, maxSkew, self, lowest, counts } of spreads) {
        const value = node.labels[key];
        if (value === undefined) return NO_LABEL;
        if ((counts.get(value) ?? 0) + self - lowest > maxSkew) return SKEWED;
      }
      return undefined;
    };
  },
};

interface Spread {
  readonly key: string;
  readonly maxSkew: number;
  /** 1 when the pod itself counts. */
  readonly self: number;
  readonly lowest: number;
  /** Domain → matching pods. */
  readonly counts: ReadonlyMap<string, number>;
}

function spreadOf(
  pod: Pod,
  constraint: TopologySpreadConstraint,
  all: readonly TopologySpreadConstraint[],
  snapshot: Snapshot,
): Spread {
  const { topologyKey: key, maxSkew, minDomains = 1 } = constraint;
  const selector = termSelector(pod, constraint.labelSelector, constraint.matchLabelKeys);
  const eligible = (node: NodeInfo) =>
    all.every(({ topologyKey }) => node.labels[topologyKey] !== undefined) && includes(pod, constraint, node);
  const counts = countByDomain(pod, key, selector, snapshot, eligible);
  const lowest = counts.size < minDomains ? 0 : Math.min(...counts.values());
  const self = selector !== undefined && matchesSelector(selector, pod.metadata.labels) ? 1 : 0;
  return { key, maxSkew, self, lowest: Number.isFinite(lowest) ? lowest : 0, counts };
}

/** Whether a node's domain counts: nodes that the pod cannot run on are left out unless the policies say otherwise. */
function includes(pod: Pod, constraint: TopologySpreadConstraint, node: NodeInfo): boolean {
  if (constraint.nodeAffinityPolicy !== 'Ignore' && !allowsNode(pod, node)) return false;
  if (constraint.nodeTaintsPolicy !== 'Honor') return true;
  return firstUntolerated(node.taints, pod.spec.tolerations ?? []) === undefined;
}

/** Matching pods of the pod's namespace by domain; eligible nodes without any count as zero. */
export function countByDomain(
  pod: Pod,
  key: string,
  selector: Selector | undefined,
  snapshot: Snapshot,
  eligible: (node: NodeInfo) => boolean,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const node of snapshot.nodes) {
    const value = node.labels[key];
    if (value === undefined || !eligible(node)) continue;
    let count = counts.get(value) ?? 0;
    if (selector !== undefined)
      for (const { pod: other } of node.pods.values())
        if (isNeighbour(pod, other) && matchesSelector(selector, other.metadata.labels)) count += 1;
    counts.set(value, count);
  }
  return counts;
}

/** Pods of other namespaces do not count, nor those on their way out. */
function isNeighbour(pod: Pod, other: Pod): boolean {
  return (
    other.metadata.namespace === pod.metadata.namespace && other.metadata.deletionTimestamp === undefined
  );
}
