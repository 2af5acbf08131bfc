/** Fields of the pod as variables show them (fieldRef): besides its metadata, where and as whom it runs. */
import type { Pod } from '#protocol/core/v1/pod.js';
import { type DeviceCapacity, metadataField } from '../lib/downward-api.js';

/** What a field reference may read beside the pod itself. */
export interface FieldContext {
  readonly pod: Pod;
  readonly podIp: string;
  readonly hostIp: string;
  readonly nodeName: string;
  readonly allocatable: DeviceCapacity;
}

/** Undefined for a path that Kubernetes does not know. */
export function fieldValue(path: string, context: FieldContext): string | undefined {
  switch (path) {
    case 'spec.nodeName':
      return context.nodeName;
    case 'spec.serviceAccountName':
      return context.pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return context.hostIp;
    case 'status.podIP':
    case 'status.podIPs':
      return context.podIp;
    default:
      return metadataField(path, context.pod);
  }
}
