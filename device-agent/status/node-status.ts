/** The conditions of the node and its list of images, as kubelet would report them. Pure. */
import type { NodeStatus } from '#protocol/core/v1/node.js';
import { type BoardFinding, preflightState } from '#protocol/link/board-finding.js';
import { formatTime } from '#protocol/meta/time.js';
import type { LocalImage } from '../images/image-store.js';

type NodeCondition = NonNullable<NodeStatus['conditions']>[number];

/** How full the device is. */
export interface Pressure {
  readonly memoryAvailableBytes: number;
  readonly diskAvailableBytes: number;
  readonly diskTotalBytes: number;
  /** Share of the file system's inodes that is free, 0 to 1; 1 where it does not count them. */
  readonly inodesFreeShare: number;
  readonly processes: number;
  readonly processLimit: number;
}

const MIN_MEMORY_AVAILABLE_BYTES = 50 * 1024 ** 2;
const MIN_DISK_FREE_SHARE = 0.1;
const MIN_INODES_FREE_SHARE = 0.05;
/** Images are collected before the disk is under pressure, and until this share is free. */
export const COLLECT_BELOW_FREE_SHARE = 0.15;
export const COLLECT_UNTIL_FREE_SHARE = 0.2;
const MAX_PROCESS_SHARE = 0.9;
const MAX_IMAGES = 50;

function isDiskTight(pressure: Pressure): boolean {
  const share = pressure.diskAvailableBytes / Math.max(1, pressure.diskTotalBytes);
  return share < MIN_DISK_FREE_SHARE || pressure.inodesFreeShare < MIN_INODES_FREE_SHARE;
}

/**
 * `now`: milliseconds since the epoch. Transition times are the previous ones where the status is the same.
 * Without `findings` nothing is said of what the board lacks.
 */
export function nodeConditions(
  pressure: Pressure,
  previous: readonly NodeCondition[],
  now: number,
  findings?: readonly BoardFinding[],
): NodeCondition[] {
  const memory = pressure.memoryAvailableBytes < MIN_MEMORY_AVAILABLE_BYTES;
  const processes = pressure.processes > pressure.processLimit * MAX_PROCESS_SHARE;
  const drafts = [
    pressureCondition(
      'MemoryPressure',
      memory,
      'InsufficientMemory',
      'device has sufficient memory available',
    ),
    pressureCondition('DiskPressure', isDiskTight(pressure), 'DiskPressure', 'device has no disk pressure'),
    pressureCondition('PIDPressure', processes, 'InsufficientPID', 'device has sufficient PID available'),
    { type: 'Ready', status: 'True', reason: 'DeviceReady', message: 'the device agent is running' },
    ...(findings === undefined ? [] : [preflightState(findings)]),
  ];
  return drafts.map((draft) => {
    const before = previous.find((one) => one.type === draft.type);
    const same = before?.status === draft.status && before.lastTransitionTime !== undefined;
    return {
      ...draft,
      lastHeartbeatTime: formatTime(now),
      lastTransitionTime: same ? before.lastTransitionTime : formatTime(now),
    };
  });
}

const SUFFICIENT: Readonly<Record<string, string>> = {
  MemoryPressure: 'DeviceHasSufficientMemory',
  DiskPressure: 'DeviceHasNoDiskPressure',
  PIDPressure: 'DeviceHasSufficientPID',
};

function pressureCondition(type: string, pressed: boolean, reason: string, fine: string): NodeCondition {
  if (!pressed) return { type, status: 'False', reason: SUFFICIENT[type] ?? 'Sufficient', message: fine };
  return { type, status: 'True', reason, message: `device is under ${type}` };
}

/** Largest first, as kubelet lists them. */
export function nodeImages(images: readonly LocalImage[]): NonNullable<NodeStatus['images']> {
  return [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes || a.reference.localeCompare(b.reference))
    .slice(0, MAX_IMAGES)
    .map(({ reference, imageId, sizeBytes }) => ({ names: [imageId, reference], sizeBytes }));
}
