/** Values of the pod's own fields, for downwardAPI volumes. Pure. */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { DownwardAPIVolumeFile } from '#protocol/core/v1/volume.js';
import { containerResource, type DeviceCapacity, metadataField } from '../lib/downward-api.js';
import { VolumeError } from './volumes.js';

/** Text of one file. Throws VolumeError for fields that a volume cannot show. */
export function downwardValue(pod: Pod, item: DownwardAPIVolumeFile, capacity: DeviceCapacity): string {
  if (item.fieldRef) return fieldValue(pod, item.fieldRef.fieldPath);
  if (item.resourceFieldRef) return resourceValue(pod, item.resourceFieldRef, capacity);
  throw new VolumeError(`downwardAPI item "${item.path}" has neither fieldRef nor resourceFieldRef`);
}

function fieldValue(pod: Pod, path: string): string {
  if (path === 'metadata.labels') return formatMap(pod.metadata.labels ?? {});
  if (path === 'metadata.annotations') return formatMap(pod.metadata.annotations ?? {});
  const value = metadataField(path, pod);
  if (value === undefined) throw new VolumeError(`downwardAPI: unsupported fieldPath "${path}"`);
  return value;
}

/** One `key="value"` a line, sorted by key. */
function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n');
}

function resourceValue(
  { spec }: Pod,
  reference: NonNullable<DownwardAPIVolumeFile['resourceFieldRef']>,
  capacity: DeviceCapacity,
): string {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const container = containers.find((candidate) => candidate.name === reference.containerName);
  if (!container) throw new VolumeError(`downwardAPI: no container "${reference.containerName ?? ''}"`);
  const value = containerResource(reference, container, capacity);
  if (value === undefined) throw new VolumeError(`downwardAPI: unsupported resource "${reference.resource}"`);
  return value;
}
