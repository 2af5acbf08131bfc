/**
 * The downward API's part that variables and volumes share: what a pod's metadata and its containers' resources
 * say, as text. Pure. Undefined stands for what Kubernetes does not know; the callers have their own errors.
 */
import type { Container, Pod } from '#protocol/core/v1/pod.js';
import { parseQuantity } from '#protocol/meta/quantity.js';

/** What the device can give: stands in for limits that a container does not set. */
export interface DeviceCapacity {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
}

const KEYED = /^metadata\.(labels|annotations)\['(.+)'\]$/;
const RESOURCE = /^(limits|requests)\.(cpu|memory|ephemeral-storage)$/;

/** `metadata.name`, `metadata.namespace`, `metadata.uid`, or one label or annotation; '' for one that is not set. */
export function metadataField(path: string, { metadata }: Pod): string | undefined {
  const [, map, key = ''] = KEYED.exec(path) ?? [];
  if (map !== undefined) return (map === 'labels' ? metadata.labels : metadata.annotations)?.[key] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    default:
      return undefined;
  }
}

/** In units of the divisor (a quantity, '0' and undefined meaning 1), rounded up. */
export function containerResource(
  { resource, divisor = '0' }: { readonly resource: string; readonly divisor?: string | undefined },
  { resources: { limits = {}, requests = {} } }: Container,
  capacity: DeviceCapacity,
): string | undefined {
  const [, kind, name = ''] = RESOURCE.exec(resource) ?? [];
  if (kind === undefined) return undefined;
  const whole: Readonly<Record<string, string>> = {
    cpu: `${capacity.cpuMillicores}m`,
    memory: String(capacity.memoryBytes),
  };
  const quantity =
    kind === 'limits' ? (limits[name] ?? whole[name] ?? '0') : (requests[name] ?? limits[name] ?? '0');
  const unit = parseQuantity(divisor).nanos || parseQuantity('1').nanos;
  return String((parseQuantity(quantity).nanos + unit - 1n) / unit);
}
