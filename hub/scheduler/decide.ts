/**
 * Chooses a node for one pod: a pure function of snapshot, pod and options. Looks at nodes from a rotating
 * start and stops once enough of them fit; among those the highest total score wins, ties by `tieBreak`.
 * A pod that fits nowhere gets the reasons counted over all nodes, in kube-scheduler's words.
 */
import type { Filter, NodeCheck } from './filters/filter.js';
import type { NodeInfo } from './node-info.js';
import type { PodInfo } from './pod-info.js';
import { MAX_SCORE, type Score } from './scores/score.js';
import type { Snapshot } from './snapshot.js';

export interface DecideOptions {
  readonly filters: readonly Filter[];
  readonly scores: readonly Score[];
  /** Index of the node to look at first; wraps around. */
  readonly start: number;
  /** 0 ≤ tieBreak < 1: which of several equally good nodes to take. */
  readonly tieBreak: number;
  /** Percentage of nodes that is enough to find feasible; by fleet size unless given. */
  readonly percentageOfNodesToScore?: number;
}

export type Decision =
  | {
      readonly outcome: 'placed';
      readonly node: string;
      readonly feasible: number;
      readonly nextStart: number;
    }
  | {
      readonly outcome: 'unschedulable';
      readonly message: string;
      /** Names of the filters that rejected the pod somewhere. */
      readonly rejectedBy: ReadonlySet<string>;
    };

const MIN_FEASIBLE = 100;

/** How many feasible nodes are enough: all of a small fleet, then a falling share, never fewer than 100. */
export function enoughFeasible(nodes: number, percentage?: number): number {
  if (nodes < MIN_FEASIBLE || (percentage !== undefined && percentage >= 100)) return nodes;
  const share = percentage ?? Math.max(5, 50 - Math.floor(nodes / 125));
  return Math.max(MIN_FEASIBLE, Math.floor((nodes * share) / 100));
}

export function decide(snapshot: Snapshot, pod: PodInfo, options: DecideOptions): Decision {
  const { nodes } = snapshot;
  if (nodes.length === 0) return unschedulable('no nodes available to schedule pods', new Set());
  const checks = prepareFilters(snapshot, pod, options.filters);
  const enough = enoughFeasible(nodes.length, options.percentageOfNodesToScore);
  const feasible: NodeInfo[] = [];
  let looked = 0;
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(options.start + looked) % nodes.length] as NodeInfo;
    if (firstRejection(checks, node) === undefined) feasible.push(node);
  }
  if (feasible.length === 0) return explain(nodes, checks);
  const best = feasible.length === 1 ? feasible[0] : highestScore(snapshot, pod, feasible, options);
  return {
    outcome: 'placed',
    node: (best as NodeInfo).name,
    feasible: feasible.length,
    nextStart: (options.start + looked) % nodes.length,
  };
}

interface Check {
  readonly name: string;
  readonly reasons: NodeCheck;
}

function prepareFilters(snapshot: Snapshot, pod: PodInfo, filters: readonly Filter[]): readonly Check[] {
  const checks: Check[] = [];
  for (const filter of filters) {
    const reasons = filter.prepare(pod, snapshot);
    if (reasons !== undefined) checks.push({ name: filter.name, reasons });
  }
  return checks;
}

function firstRejection(
  checks: readonly Check[],
  node: NodeInfo,
): { readonly name: string; readonly reasons: readonly string[] } | undefined {
  for (const check of checks) {
    const reasons = check.reasons(node);
    if (reasons !== undefined) return { name: check.name, reasons };
  }
  return undefined;
}

function explain(nodes: readonly NodeInfo[], checks: readonly Check[]): Decision {
  const counts = new Map<string, number>();
  const rejectedBy = new Set<string>();
  for (const node of nodes) {
    const rejection = firstRejection(checks, node);
    if (rejection === undefined) continue;
    rejectedBy.add(rejection.name);
    for (const reason of rejection.reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return unschedulable(`0/${nodes.length} nodes are available: ${parts.join(', ')}.`, rejectedBy);
}

function unschedulable(message: string, rejectedBy: ReadonlySet<string>): Decision {
  return { outcome: 'unschedulable', message, rejectedBy };
}

function highestScore(
  snapshot: Snapshot,
  pod: PodInfo,
  feasible: readonly NodeInfo[],
  options: DecideOptions,
): NodeInfo | undefined {
  const totals = new Float64Array(feasible.length);
  const raw = new Float64Array(feasible.length);
  for (const score of options.scores) {
    const of = score.prepare(pod, snapshot);
    if (of === undefined) continue;
    let highest = score.scale === 'range' ? Number.NEGATIVE_INFINITY : 0;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < feasible.length; i++) {
      const value = of(feasible[i] as NodeInfo);
      raw[i] = value;
      if (value > highest) highest = value;
      if (value < lowest) lowest = value;
    }
    const floor = score.scale === 'range' ? lowest : 0;
    if (score.scale !== 'as-is' && highest === floor) continue;
    for (let i = 0; i < feasible.length; i++)
      totals[i] = (totals[i] ?? 0) + score.weight * scaled(raw[i] ?? 0, floor, highest, score.scale);
  }
  return feasible[pickHighest(totals, options.tieBreak)];
}

function scaled(raw: number, floor: number, highest: number, scale: Score['scale']): number {
  switch (scale) {
    case 'as-is':
      return raw;
    case 'more-is-better':
    case 'range':
      return (MAX_SCORE * (raw - floor)) / (highest - floor);
    case 'less-is-better':
      return MAX_SCORE - (MAX_SCORE * raw) / highest;
  }
}

function pickHighest(totals: Float64Array, tieBreak: number): number {
  let best = Number.NEGATIVE_INFINITY;
  let ties: number[] = [];
  for (let i = 0; i < totals.length; i++) {
    const total = totals[i] ?? 0;
    if (total > best) {
      best = total;
      ties = [i];
    } else if (total === best) ties.push(i);
  }
  return ties[Math.min(ties.length - 1, Math.floor(tieBreak * ties.length))] ?? 0;
}
