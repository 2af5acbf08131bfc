/**
 * Prefers nodes that have the pod's images already: megabytes over a slow link are minutes. An image counts
 * by its size and by how many nodes have it, so that one early node does not attract everything.
 */
import { MAX_SCORE, type Score } from './score.js';

const MIB = 1024 * 1024;
/** Less than this is not worth a preference. */
const LOWEST = 4 * MIB;
/** More than this, per container, is all the same. */
const HIGHEST_PER_CONTAINER = 500 * MIB;

export const imageLocality: Score = {
  name: 'ImageLocality',
  weight: 1,
  scale: 'as-is',
  prepare(pod, snapshot) {
    const total = snapshot.nodes.length;
    const images = pod.images
      .map((image) => ({ image, share: snapshot.nodesWithImage(image) / total }))
      .filter(({ share }) => share > 0 && share < 1);
    if (images.length === 0) return undefined;
    const highest = HIGHEST_PER_CONTAINER * pod.images.length;
    return (node) => {
      let bytes = 0;
      for (const { image, share } of images) bytes += (node.images.get(image) ?? 0) * share;
      return (MAX_SCORE * (Math.min(highest, Math.max(LOWEST, bytes)) - LOWEST)) / (highest - LOWEST);
    };
  },
};
