/**
 * The downward API: values of the pod's own fields (fieldRef) and of its containers' resources
 * (resourceFieldRef), as text.
 */
import type { Container, Pod } from '#protocol/core/v1/pod.js';
import { parseQuantity, quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';

/** What a field reference may read beside the pod itself. */
export interface FieldContext {
  readonly pod: Pod;
  readonly podIp: string;
  readonly hostIp: string;
  readonly nodeName: string;
  /** Stand in for limits that are not set. */
  readonly allocatable: { readonly cpuMillicores: number; readonly memoryBytes: number };
}

const KEYED = /^metadata\.(labels|annotations)\['(.+)'\]$/;

/** Undefined for a path that Kubernetes does not know. */
export function fieldValue(path: string, context: FieldContext): string | undefined {
  const { metadata, spec } = context.pod;
  const keyed = KEYED.exec(path);
  if (keyed !== null) {
    const [, map, key = ''] = keyed;
    return (map === 'labels' ? metadata.labels : metadata.annotations)?.[key] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'spec.nodeName':
      return context.nodeName;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return context.hostIp;
    case 'status.podIP':
    case 'status.podIPs':
      return context.podIp;
    default:
      return undefined;
  }
}

/** Undefined for a resource that Kubernetes does not know. `divisor` is a quantity, '0' meaning 1. */
export function resourceValue(
  resource: string,
  divisor: string,
  container: Container,
  context: FieldContext,
): string | undefined {
  const [kind, name = ''] = resource.split('.', 2);
  if (kind !== 'limits' && kind !== 'requests') return undefined;
  const { limits = {}, requests = {} } = container.resources;
  const set = kind === 'limits' ? limits[name] : (requests[name] ?? limits[name]);
  const parts = divisor === '0' || divisor === '' ? '1' : divisor;
  if (name === 'cpu') {
    const milli =
      set === undefined ? (kind === 'limits' ? context.allocatable.cpuMillicores : 0) : quantityToMilli(set);
    return String(Math.ceil(milli / quantityToMilli(parts)));
  }
  if (name !== 'memory' && name !== 'ephemeral-storage') return undefined;
  const fallback = kind === 'limits' && name === 'memory' ? context.allocatable.memoryBytes : 0;
  const bytes = set === undefined ? fallback : quantityToNumber(set);
  return String(Math.ceil(bytes / (Number(parseQuantity(parts).nanos) / 1e9)));
}
