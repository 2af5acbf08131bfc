/** Values of the pod's own fields, for downwardAPI volumes. Pure. */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { DownwardAPIVolumeFile } from '#protocol/core/v1/volume.js';
import { parseQuantity } from '#protocol/meta/quantity.js';
import { VolumeError } from './volumes.js';

/** What the device can give, for limits that a container does not set. */
export interface DeviceCapacity {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
}

/** Text of one file. Throws VolumeError for fields that a volume cannot show. */
export function downwardValue(pod: Pod, item: DownwardAPIVolumeFile, capacity: DeviceCapacity): string {
  if (item.fieldRef) return fieldValue(pod, item.fieldRef.fieldPath);
  if (item.resourceFieldRef) return resourceValue(pod, item.resourceFieldRef, capacity);
  throw new VolumeError(`downwardAPI item "${item.path}" has neither fieldRef nor resourceFieldRef`);
}

function fieldValue(pod: Pod, path: string): string {
  const { metadata } = pod;
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata.labels ?? {});
    case 'metadata.annotations':
      return formatMap(metadata.annotations ?? {});
    default: {
      const match = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
      if (!match) throw new VolumeError(`downwardAPI: unsupported fieldPath "${path}"`);
      const map = match[1] === 'labels' ? metadata.labels : metadata.annotations;
      return map?.[match[2] ?? ''] ?? '';
    }
  }
}

/** One `key="value"` a line, sorted by key. */
function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n');
}

function resourceValue(
  pod: Pod,
  reference: NonNullable<DownwardAPIVolumeFile['resourceFieldRef']>,
  capacity: DeviceCapacity,
): string {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const container = containers.find((candidate) => candidate.name === reference.containerName);
  if (!container) throw new VolumeError(`downwardAPI: no container "${reference.containerName ?? ''}"`);
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage)$/.exec(reference.resource);
  if (!match) throw new VolumeError(`downwardAPI: unsupported resource "${reference.resource}"`);
  const [, kind, name = ''] = match;
  const { limits = {}, requests = {} } = container.resources ?? {};
  const fallback: Readonly<Record<string, string>> = {
    cpu: `${capacity.cpuMillicores}m`,
    memory: String(capacity.memoryBytes),
  };
  const text =
    kind === 'limits' ? (limits[name] ?? fallback[name] ?? '0') : (requests[name] ?? limits[name] ?? '0');
  const divisor = parseQuantity(
    reference.divisor === undefined || reference.divisor === '0' ? '1' : reference.divisor,
  );
  const value = parseQuantity(text).nanos;
  return String((value + divisor.nanos - 1n) / divisor.nanos);
}
