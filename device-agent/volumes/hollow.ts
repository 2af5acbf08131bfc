/** Volumes that only pretend: every volume of the pod has a path, nothing is made. For hollow devices. */
import { join } from 'node:path';
import { SERVICE_ACCOUNT_VOLUME, type Volumes } from './volumes.js';

export function createHollowVolumes(): Volumes {
  const pods = new Set<string>();
  return {
    async setUp(pod, resolved) {
      const uid = pod.metadata.uid ?? '';
      pods.add(uid);
      const names = (pod.spec?.volumes ?? []).map((volume) => volume.name);
      if (resolved.serviceAccount) names.push(SERVICE_ACCOUNT_VOLUME);
      return new Map(names.map((name) => [name, join('/hollow', uid, name)]));
    },
    async subPath(_podUid, volumePath, subPath) {
      return join(volumePath, subPath);
    },
    async tearDown(podUid) {
      pods.delete(podUid);
    },
    async list() {
      return [...pods];
    },
    async [Symbol.asyncDispose]() {},
  };
}
