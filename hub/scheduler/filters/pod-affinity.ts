/**
 * Required affinity and anti-affinity between pods: near the pods that it wants, away from those that it does
 * not, and away from those that do not want it. The first pod of a group that wants its own kind may start
 * anywhere.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { PodInfo } from '../pod-info.js';
import { compileTerms, type PodTerm } from '../pod-terms.js';
import type { Snapshot } from '../snapshot.js';
import { TopologyCounts } from '../topology.js';
import { type Filter, NODE_EVENTS } from './filter.js';

const NOT_NEAR = ["node(s) didn't match pod affinity rules"];
const TOO_NEAR = ["node(s) didn't match pod anti-affinity rules"];
const UNWANTED = ["node(s) didn't satisfy existing pods anti-affinity rules"];

export const podAffinity: Filter = {
  name: 'InterPodAffinity',
  events: [...NODE_EVENTS, 'pod-bound', 'pod-removed'],
  prepare(info, snapshot) {
    const { pod } = info;
    const near = compileTerms(
      pod,
      pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
    );
    const away = info.antiAffinity;
    const unwanted = domainsThatRefuse(pod, snapshot);
    if (near.length === 0 && away.length === 0 && unwanted.empty) return undefined;
    const wanted = near.length === 0 ? undefined : domainsOf(snapshot, near, 'all');
    const avoided = away.length === 0 ? undefined : domainsOf(snapshot, away, 'any');
    const first = wanted?.empty === true && matchesAll(near, pod, snapshot);
    return (node) => {
      if (wanted !== undefined)
        for (const { topologyKey } of near) {
          const value = node.labels[topologyKey];
          if (value === undefined || (!first && wanted.get(topologyKey, value) === 0)) return NOT_NEAR;
        }
      if (avoided !== undefined)
        for (const { topologyKey } of away)
          if (avoided.get(topologyKey, node.labels[topologyKey]) > 0) return TOO_NEAR;
      if (!unwanted.empty)
        for (const key of unwanted.keys()) if (unwanted.get(key, node.labels[key]) > 0) return UNWANTED;
      return undefined;
    };
  },
};

/** Where the pods are that match the terms: every term at once for affinity, each by itself for anti-affinity. */
function domainsOf(snapshot: Snapshot, terms: readonly PodTerm[], mode: 'all' | 'any'): TopologyCounts {
  const counts = new TopologyCounts();
  for (const node of snapshot.nodes)
    for (const { pod } of node.pods.values()) {
      if (mode === 'all' && !matchesAll(terms, pod, snapshot)) continue;
      for (const term of terms) {
        const value = node.labels[term.topologyKey];
        if (value === undefined) continue;
        if (mode === 'all' || term.matches(pod, snapshot.namespaceLabels))
          counts.add(term.topologyKey, value);
      }
    }
  return counts;
}

function matchesAll(terms: readonly PodTerm[], pod: Pod, snapshot: Snapshot): boolean {
  return terms.every((term) => term.matches(pod, snapshot.namespaceLabels));
}

/** Domains of placed pods whose anti-affinity names this pod. */
function domainsThatRefuse(pod: Pod, snapshot: Snapshot): TopologyCounts {
  const counts = new TopologyCounts();
  snapshot.eachRefusing((other: PodInfo, labels) => {
    for (const term of other.antiAffinity) {
      const value = labels[term.topologyKey];
      if (value !== undefined && term.matches(pod, snapshot.namespaceLabels))
        counts.add(term.topologyKey, value);
    }
  });
  return counts;
}
