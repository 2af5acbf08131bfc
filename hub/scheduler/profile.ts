/** The filters and scores of the default scheduler. Filters run in this order and the first rejection counts, so cheap and telling ones come first. */
import { architecture, type ImagePlatforms } from './filters/architecture.js';
import type { Filter } from './filters/filter.js';
import { hostPorts } from './filters/host-ports.js';
import { nodeAffinity } from './filters/node-affinity.js';
import { nodeName } from './filters/node-name.js';
import { nodeUnschedulable } from './filters/node-unschedulable.js';
import { podAffinity } from './filters/pod-affinity.js';
import { nodeResources } from './filters/resources.js';
import { taintToleration } from './filters/taints.js';
import { topologySpread } from './filters/topology-spread.js';
import { balancedAllocation } from './scores/balanced-allocation.js';
import { imageLocality } from './scores/image-locality.js';
import { leastAllocated } from './scores/least-allocated.js';
import { preferredNodeAffinity } from './scores/node-affinity.js';
import { ownerSpread } from './scores/owner-spread.js';
import { preferredPodAffinity } from './scores/pod-affinity.js';
import type { Score } from './scores/score.js';
import { softTaints } from './scores/soft-taints.js';
import { softTopologySpread } from './scores/topology-spread.js';

export interface Profile {
  readonly filters: readonly Filter[];
  readonly scores: readonly Score[];
}

export function defaultProfile(platforms: ImagePlatforms): Profile {
  return {
    filters: [
      nodeUnschedulable,
      nodeName,
      taintToleration,
      nodeAffinity,
      architecture(platforms),
      hostPorts,
      nodeResources,
      topologySpread,
      podAffinity,
    ],
    scores: [
      ownerSpread,
      softTopologySpread,
      preferredPodAffinity,
      softTaints,
      preferredNodeAffinity,
      leastAllocated,
      balancedAllocation,
      imageLocality,
    ],
  };
}
