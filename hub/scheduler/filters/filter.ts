/**
 * A filter says why a pod cannot run on a node, in kube-scheduler's words. `prepare` runs once per pod and
 * returns the check for single nodes, or undefined when the filter cannot reject this pod anywhere: what is
 * not asked costs nothing per node. Filters are pure.
 */
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import type { Snapshot } from '../snapshot.js';

/** Changes of the cluster that may make an unschedulable pod schedulable. */
export type ClusterEvent = 'node-added' | 'node-changed' | 'pod-bound' | 'pod-removed' | 'images-changed';

/** The reasons against a node; undefined when there is none. */
export type NodeCheck = (node: NodeInfo) => readonly string[] | undefined;

export interface Filter {
  readonly name: string;
  /** A pod rejected by this filter is worth another look after one of these. */
  readonly events: readonly ClusterEvent[];
  prepare(pod: PodInfo, snapshot: Snapshot): NodeCheck | undefined;
}

export const NODE_EVENTS: readonly ClusterEvent[] = ['node-added', 'node-changed'];
