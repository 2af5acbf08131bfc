/**
 * The MQTT topics of the link: the only place that builds or parses one. Names of devices, namespaces and
 * pods are DNS-1123 and stream ids are `[a-z0-9-]`, so a topic never carries a wildcard or an extra level;
 * building one from anything else is a TypeError.
 */
const ROOT = 'covey/v1';

/** Messages that a device publishes, on `covey/v1/devices/<d>/<kind>`. */
export const UP_KINDS = ['presence', 'hello', 'beat', 'report', 'node', 'telemetry', 'renew'] as const;
/** Messages that the hub publishes, on `covey/v1/devices/<d>/<kind>`. */
export const DOWN_KINDS = ['lease', 'assignment', 'command'] as const;
export type UpKind = (typeof UP_KINDS)[number];
export type DownKind = (typeof DOWN_KINDS)[number];
export type MessageKind = UpKind | DownKind;
/** `in` goes to the device, `out` comes from it. */
export type StreamDirection = 'in' | 'out';

export type DeviceTopic =
  | { readonly type: 'message'; readonly device: string; readonly kind: MessageKind }
  | {
      readonly type: 'stream';
      readonly device: string;
      readonly stream: string;
      readonly direction: StreamDirection;
    };

const SEGMENT = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

function segment(value: string, what: string): string {
  if (!SEGMENT.test(value)) throw new TypeError(`${what} ${JSON.stringify(value)} cannot be part of a topic`);
  return value;
}

function deviceRoot(device: string): string {
  return `${ROOT}/devices/${segment(device, 'device name')}`;
}

export function messageTopic(device: string, kind: MessageKind): string {
  return `${deviceRoot(device)}/${kind}`;
}

export function streamTopic(device: string, stream: string, direction: StreamDirection): string {
  return `${deviceRoot(device)}/stream/${segment(stream, 'stream id')}/${direction}`;
}

/** What a device subscribes to, with the QoS of each. */
export function deviceSubscriptions(device: string): ReadonlyArray<{ topic: string; qos: 0 | 1 }> {
  return [
    { topic: messageTopic(device, 'assignment'), qos: 1 },
    { topic: messageTopic(device, 'command'), qos: 1 },
    { topic: messageTopic(device, 'lease'), qos: 0 },
    { topic: `${deviceRoot(device)}/stream/+/in`, qos: 0 },
  ];
}

/** What the hub subscribes to: everything that devices send. */
export function hubSubscriptions(): ReadonlyArray<{ topic: string; qos: 0 | 1 }> {
  return [
    ...UP_KINDS.map((kind) => ({ topic: `${ROOT}/devices/+/${kind}`, qos: qosOf(kind) })),
    { topic: `${ROOT}/devices/+/stream/+/out`, qos: 0 as const },
  ];
}

/** QoS 0 for what is repeated anyway, 1 for state. Streams use 0: a lost frame ends them with an error. */
export function qosOf(kind: MessageKind): 0 | 1 {
  return kind === 'beat' || kind === 'lease' || kind === 'telemetry' ? 0 : 1;
}

/** Parses a topic below `devices/`; undefined for every other or unknown one. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const parts = topic.split('/');
  if (parts[0] !== 'covey' || parts[1] !== 'v1' || parts[2] !== 'devices') return undefined;
  const device = parts[3];
  if (device === undefined || !SEGMENT.test(device)) return undefined;
  if (parts.length === 5) {
    const kind = [...UP_KINDS, ...DOWN_KINDS].find((known) => known === parts[4]);
    return kind === undefined ? undefined : { type: 'message', device, kind };
  }
  const [stream, direction] = [parts[5], parts[6]];
  if (parts.length !== 7 || parts[4] !== 'stream' || stream === undefined || !SEGMENT.test(stream)) {
    return undefined;
  }
  return direction === 'in' || direction === 'out'
    ? { type: 'stream', device, stream, direction }
    : undefined;
}

/** Whether the device named `device` may publish to `topic`. */
export function devicePublishes(device: string, topic: string): boolean {
  const parsed = parseDeviceTopic(topic);
  if (parsed === undefined || parsed.device !== device) return false;
  if (parsed.type === 'stream') return parsed.direction === 'out';
  return UP_KINDS.some((kind) => kind === parsed.kind);
}

/** Whether the device named `device` may subscribe to the filter `filter`. */
export function deviceSubscribes(device: string, filter: string): boolean {
  return deviceSubscriptions(device).some(({ topic }) => topic === filter) || isOwnStream(device, filter);
}

function isOwnStream(device: string, filter: string): boolean {
  const parsed = parseDeviceTopic(filter);
  return parsed?.type === 'stream' && parsed.device === device && parsed.direction === 'in';
}

const MONITOR = `${ROOT}/monitor`;

/** Retained state of a device for people and their tools. */
export function monitorDeviceTopic(device: string): string {
  return `${MONITOR}/devices/${segment(device, 'device name')}/state`;
}

/** Retained latest telemetry sample of a device. */
export function monitorTelemetryTopic(device: string): string {
  return `${MONITOR}/devices/${segment(device, 'device name')}/telemetry`;
}

/** Retained state of a pod. */
export function monitorPodTopic(namespace: string, name: string): string {
  return `${MONITOR}/pods/${segment(namespace, 'namespace')}/${segment(name, 'pod name')}/state`;
}

/** Whether a topic or filter lies below `monitor/`: the only place that monitor readers may look. */
export function isMonitorTopic(filter: string): boolean {
  return filter.startsWith(`${MONITOR}/`);
}

/** Patterns for an external broker's access list; `%u` stands for the device name. */
export function deviceAccessPatterns(placeholder: string): { publish: string[]; subscribe: string[] } {
  const own = `${ROOT}/devices/${placeholder}`;
  return {
    publish: [...UP_KINDS.map((kind) => `${own}/${kind}`), `${own}/stream/+/out`],
    subscribe: [...DOWN_KINDS.map((kind) => `${own}/${kind}`), `${own}/stream/+/in`],
  };
}

/** Everything of the link: what the hub itself may touch on an external broker, and what readers may. */
export const HUB_ACCESS = { everything: `${ROOT}/#`, monitor: `${MONITOR}/#` } as const;
