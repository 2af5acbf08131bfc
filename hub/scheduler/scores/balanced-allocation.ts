/** Prefers nodes whose CPU and memory would be used in about equal parts, so that neither strands the other. */
import { MAX_SCORE, type Score } from './score.js';

export const balancedAllocation: Score = {
  name: 'BalancedAllocation',
  weight: 1,
  scale: 'as-is',
  prepare(pod) {
    return (node) => {
      const cpu = fraction(node.scoredMilliCpu + pod.scoredMilliCpu, node.allocatable.milliCpu);
      const memory = fraction(node.scoredMemory + pod.scoredMemory, node.allocatable.memory);
      return MAX_SCORE * (1 - Math.abs(cpu - memory) / 2);
    };
  },
};

function fraction(requested: number, allocatable: number): number {
  return allocatable <= 0 ? 1 : Math.min(1, requested / allocatable);
}
