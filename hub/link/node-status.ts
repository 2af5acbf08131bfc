/** What hello and node report of a device make of its Node and Device objects. Pure. */
import { type Node, type NodeCondition, type NodeStatus, nodeSchema } from '#protocol/core/v1/node.js';
import { LABEL } from '#protocol/core/v1/well-known.js';
import {
  type Device,
  type DeviceStatus,
  type DeviceUpdate,
  deviceSchema,
} from '#protocol/fleet/v1alpha1/device.js';
import type { FirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import {
  DEVICE_CONDITION,
  FLEET_FINALIZER,
  FLEET_LABEL,
  isReservedLabel,
} from '#protocol/fleet/v1alpha1/well-known.js';
import type { AgentUpdate } from '#protocol/link/agent-update.js';
import type { Hello } from '#protocol/link/hello.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import { findCondition, setCondition } from '#protocol/meta/condition.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { labelValue } from '../lib/label-value.js';

/** What is known of a device now. */
export interface DeviceFacts {
  readonly device: string;
  readonly epoch: number;
  readonly hello: Hello;
  readonly report: NodeReport | undefined;
  /** What it said last of updates of its agent. */
  readonly update?: AgentUpdate | undefined;
}

/** Labels of the Node. Those that the device asks for may not pose as Kubernetes' or the fleet's own. */
export function nodeLabels({ device, hello, report }: DeviceFacts): Record<string, string> {
  const info = report?.status.nodeInfo ?? hello.node.nodeInfo;
  const asked = Object.entries(hello.labels).filter(([key, value]) => mayAsk(key) && isLabelValue(value));
  const model = labelValue(report?.inventory?.model ?? '');
  return {
    ...Object.fromEntries(asked),
    [LABEL.hostname]: device,
    [LABEL.os]: info?.operatingSystem ?? 'linux',
    ...(info === undefined ? {} : { [LABEL.arch]: info.architecture }),
    ...(model === '' ? {} : { [FLEET_LABEL.board]: model }),
    ...(labelValue(hello.profile) === '' ? {} : { [FLEET_LABEL.profile]: labelValue(hello.profile) }),
  };
}

/** Labels of the Node that say what its board is like, by which pods can choose. */
export function traitLabels(profile: Readonly<FirmwareProfile> | undefined): Record<string, string> {
  const { storage, thermal } = profile?.spec ?? {};
  return {
    ...(storage !== undefined && { [FLEET_LABEL.storage]: storage.kind }),
    ...(thermal !== undefined && { [FLEET_LABEL.throttleCelsius]: String(thermal.throttleCelsius) }),
  };
}

/** Those by which a board follows its profile: a new card may have another one. */
const PROFILE_LABELS = [FLEET_LABEL.profile, FLEET_LABEL.storage, FLEET_LABEL.throttleCelsius] as const;

/** What to change of a Node's labels, null for what goes; undefined when they are as they should be. */
export function changedLabels(
  current: Readonly<Record<string, string>> = {},
  wanted: Readonly<Record<string, string>>,
): Record<string, string | null> | undefined {
  const gone = PROFILE_LABELS.filter((label) => label in current && !(label in wanted));
  if (gone.length === 0 && Object.entries(wanted).every(([label, value]) => current[label] === value))
    return undefined;
  return { ...wanted, ...Object.fromEntries(gone.map((label) => [label, null])) };
}

function mayAsk(key: string): boolean {
  const name = key.split('/')[1] ?? key;
  return !isReservedLabel(key) && isLabelValue(name) && key !== '';
}

function isLabelValue(value: string): boolean {
  return /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(value) && value.length <= 63;
}

export function newNode(facts: DeviceFacts): Node {
  return nodeSchema.parse({
    metadata: newObjectMeta({ name: facts.device, labels: nodeLabels(facts) }),
    spec: { providerID: `covey://${facts.device}` },
  });
}

/** A Device as joining and the first hello make it; the finalizer lets its Node go with it. */
export function newDevice(name: string): Device {
  return deviceSchema.parse({ metadata: newObjectMeta({ name, finalizers: [FLEET_FINALIZER.device] }) });
}

/** The Node's status with everything that the device knows; conditions of others stay. */
export function nodeStatus(current: NodeStatus, { hello, report }: DeviceFacts): NodeStatus {
  const { conditions, ...reported } = report?.status ?? {};
  return {
    ...current,
    ...hello.node,
    ...reported,
    ...(conditions === undefined
      ? {}
      : { conditions: mergeConditions(current.conditions ?? [], conditions) }),
  };
}

/** A condition whose status, reason and message are as before keeps its times, so that nothing is written. */
function mergeConditions(
  current: readonly NodeCondition[],
  reported: readonly NodeCondition[],
): NodeCondition[] {
  const own = new Map(reported.map((condition) => [condition.type, condition]));
  const others = current.filter(({ type }) => !own.has(type));
  const mine = reported.map((condition) => {
    const before = current.find(({ type }) => type === condition.type);
    if (before === undefined || before.status !== condition.status) return condition;
    if (before.reason === condition.reason && before.message === condition.message) return before;
    const { lastTransitionTime } = before;
    return { ...condition, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) };
  });
  return [...others, ...mine];
}

/** The Device's status with what the session says; presence, lease and offers of releases are others'. */
export function deviceStatus(
  { agentRelease: _release, update: before, ...current }: DeviceStatus,
  { epoch, hello, report, update }: DeviceFacts,
  now: string,
): DeviceStatus {
  const last = update === undefined ? before : outcome(before, update, now);
  const addresses = report?.status.addresses ?? hello.node.addresses;
  return {
    ...current,
    bootID: hello.bootId,
    epoch,
    agentVersion: hello.agentVersion,
    ...(update?.release === undefined ? {} : { agentRelease: update.release }),
    ...(last === undefined ? {} : { update: last }),
    profile: hello.profile,
    ...(addresses === undefined ? {} : { addresses }),
    ...preflightOf(current, report, now),
  };
}

/** What the board says of its preflight now takes the place of what it said when it joined. */
function preflightOf(
  { conditions = [] }: DeviceStatus,
  report: NodeReport | undefined,
  now: string,
): Pick<DeviceStatus, 'conditions'> {
  const { preflightFailed } = DEVICE_CONDITION;
  const said = report?.status.conditions?.find(({ type }) => type === preflightFailed);
  if (said === undefined) return {};
  const { type, status, reason = '', message = '' } = said;
  // A board that never had anything wrong needs no condition that says so.
  if (status === 'False' && findCondition(conditions, type) === undefined) return {};
  return { conditions: setCondition(conditions, { type, status, reason, message }, now) };
}

/**
 * What is on record of the last offer after the device has spoken. The time is that of the state's first news. A
 * failure stands: the hub has given up an offer that the device is still at, or the device has a new card, which
 * knows of no offers; unless that card runs the very release.
 */
function outcome(
  before: DeviceUpdate | undefined,
  { release, last }: AgentUpdate,
  now: string,
): DeviceUpdate | undefined {
  const failed = before?.state === 'Failed' ? before : undefined;
  if (last === undefined) return failed?.version === release ? undefined : failed;
  const { offer, version, state, reason } = last;
  if (failed?.offer === offer && state !== 'Updated' && state !== 'Failed') return failed;
  const same = before?.offer === offer && before.state === state;
  return {
    offer,
    version,
    state,
    ...(reason === undefined ? {} : { reason }),
    time: (same ? before.time : undefined) ?? now,
  };
}
