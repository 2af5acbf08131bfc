/**
 * A score orders the nodes that passed every filter. `prepare` runs once per pod and returns the raw score
 * of a node (negative for `range` only), or undefined when it would be the same everywhere. `decide` scales raw
 * scores to 0..100 by `scale` and multiplies by `weight`. Scores are pure.
 */
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import type { Snapshot } from '../snapshot.js';

export interface Score {
  readonly name: string;
  readonly weight: number;
  /** `as-is`: raw scores are 0..100 already; `more-is-better` and `less-is-better` are relative to the highest raw score, `range` to lowest and highest. */
  readonly scale: 'as-is' | 'more-is-better' | 'less-is-better' | 'range';
  prepare(pod: PodInfo, snapshot: Snapshot): ((node: NodeInfo) => number) | undefined;
}

export const MAX_SCORE = 100;
