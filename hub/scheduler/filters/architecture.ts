/**
 * Keeps a pod off nodes whose architecture none of its images are built for. What is not known is not held
 * against a node: an image whose platforms nobody has looked up yet, or a node without the label. The device
 * refuses a wrong image in any case.
 */
import { LABEL } from '#protocol/core/v1/well-known.js';
import type { PodInfo } from '../pod-info.js';
import { type Filter, NODE_EVENTS, type NodeCheck } from './filter.js';

/** The architectures (as in `kubernetes.io/arch`) that an image is built for; undefined when not known. */
export type ImagePlatforms = (image: string) => readonly string[] | undefined;

export function architecture(platforms: ImagePlatforms): Filter {
  return {
    name: 'ImageArchitecture',
    events: [...NODE_EVENTS, 'images-changed'],
    prepare(pod) {
      const allowed = commonArchitectures(pod, platforms);
      return allowed && checkAgainst(allowed);
    },
  };
}

/** Architectures that every image with known platforms has; undefined when none is known. */
function commonArchitectures(pod: PodInfo, platforms: ImagePlatforms): ReadonlySet<string> | undefined {
  let common: ReadonlySet<string> | undefined;
  for (const image of pod.images) {
    const known = platforms(image);
    if (known === undefined) continue;
    const before = common;
    common = new Set(before === undefined ? known : known.filter((arch) => before.has(arch)));
  }
  return common;
}

function checkAgainst(allowed: ReadonlySet<string>): NodeCheck {
  const reason = [`node(s) didn't match the image's architectures {${[...allowed].sort().join(', ')}}`];
  return (node) => {
    const arch = node.labels[LABEL.arch];
    return arch === undefined || allowed.has(arch) ? undefined : reason;
  };
}
