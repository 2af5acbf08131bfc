/** Prefers nodes with the larger free part of CPU and memory after the pod is placed. */
import { MAX_SCORE, type Score } from './score.js';

export const leastAllocated: Score = {
  name: 'LeastAllocated',
  weight: 1,
  scale: 'as-is',
  prepare(pod) {
    return (node) =>
      (free(node.scoredMilliCpu + pod.scoredMilliCpu, node.allocatable.milliCpu) +
        free(node.scoredMemory + pod.scoredMemory, node.allocatable.memory)) /
      2;
  },
};

function free(requested: number, allocatable: number): number {
  return allocatable <= 0 || requested > allocatable
    ? 0
    : (MAX_SCORE * (allocatable - requested)) / allocatable;
}
