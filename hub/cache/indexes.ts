/** Index functions that several parts share; asking for one of them on a shared informer is cheap. */
import { controllerOf, type KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Indexes } from './indexer.js';

/** Objects by the uid of the owner that controls them. */
export const BY_CONTROLLER = 'controller';
/** Pods by the node that they are bound to; '' for those that are not. */
export const BY_NODE = 'node';

export const byController: Indexes<KubernetesObject> = {
  [BY_CONTROLLER]: (object) => {
    const owner = controllerOf(object);
    return owner === undefined ? [] : [owner.uid];
  },
};

export const byNode: Indexes<KubernetesObject & { spec?: { nodeName?: string | undefined } | undefined }> = {
  [BY_NODE]: (pod) => [pod.spec?.nodeName ?? ''],
};

/** Objects without a controller, by namespace. */
export const ORPHANS = 'orphans';

export const orphans: Indexes<KubernetesObject> = {
  [ORPHANS]: (object) => (controllerOf(object) === undefined ? [object.metadata.namespace ?? ''] : []),
};
