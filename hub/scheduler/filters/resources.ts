/** Keeps the sum of requests within what a node offers: pod count, CPU, memory, ephemeral storage, extended resources. */
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import type { Filter } from './filter.js';

export const nodeResources: Filter = {
  name: 'NodeResourcesFit',
  events: ['node-added', 'node-changed', 'pod-removed'],
  prepare(pod) {
    return (node) => (fits(pod, node) ? undefined : shortages(pod, node));
  },
};

function fits({ requests }: PodInfo, node: NodeInfo): boolean {
  return (
    node.pods.size < node.maxPods &&
    (requests.milliCpu === 0 || requests.milliCpu <= node.allocatable.milliCpu - node.requestedMilliCpu) &&
    (requests.memory === 0 || requests.memory <= node.allocatable.memory - node.requestedMemory) &&
    (requests.ephemeralStorage === 0 ||
      requests.ephemeralStorage <= node.allocatable.ephemeralStorage - node.requestedEphemeralStorage) &&
    (requests.extended.size === 0 || missingExtended(requests.extended, node).length === 0)
  );
}

function shortages({ requests }: PodInfo, node: NodeInfo): readonly string[] {
  const reasons: string[] = [];
  const { allocatable } = node;
  if (node.pods.size >= node.maxPods) reasons.push('Too many pods');
  if (requests.milliCpu > 0 && requests.milliCpu > allocatable.milliCpu - node.requestedMilliCpu)
    reasons.push('Insufficient cpu');
  if (requests.memory > 0 && requests.memory > allocatable.memory - node.requestedMemory)
    reasons.push('Insufficient memory');
  if (
    requests.ephemeralStorage > 0 &&
    requests.ephemeralStorage > allocatable.ephemeralStorage - node.requestedEphemeralStorage
  )
    reasons.push('Insufficient ephemeral-storage');
  for (const name of missingExtended(requests.extended, node)) reasons.push(`Insufficient ${name}`);
  return reasons;
}

function missingExtended(wanted: ReadonlyMap<string, number>, node: NodeInfo): readonly string[] {
  const missing: string[] = [];
  for (const [name, amount] of wanted)
    if (amount > 0 && amount > (node.allocatable.extended.get(name) ?? 0) - node.requestedExtended(name))
      missing.push(name);
  return missing;
}
