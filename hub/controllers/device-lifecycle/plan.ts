/**
 * What must change on a device's Node, Device and pods, given the verdict on it. Pure: compares what is with
 * what should be and names only differences, so an unchanged device costs no write. `waiting` changes nothing
 * that an earlier verdict has set.
 */
import type { LeaseSpec } from '#protocol/coordination/v1/lease.js';
import type { Node, NodeCondition, Taint } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { NODE_CONDITION, TAINT } from '#protocol/core/v1/well-known.js';
import type { Device, DeviceStatus } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_LABEL, FLEET_TAINT } from '#protocol/fleet/v1alpha1/well-known.js';
import { findCondition } from '#protocol/meta/condition.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import { labelValue } from '../../lib/label-value.js';
import { sameJson } from '../../lib/same-json.js';
import { type Eviction, planEvictions } from './evictions.js';
import type { DeviceLiveness } from './liveness.js';
import { nodeLeaseSpec } from './node-lease.js';
import { changedReadiness, type ReadinessChange } from './pod-readiness.js';

export interface DeviceInputs {
  readonly node: Node | undefined;
  readonly device: Device | undefined;
  /** Bound to the node. */
  readonly pods: readonly Pod[];
  readonly liveness: DeviceLiveness | undefined;
  readonly verdict: 'alive' | 'waiting' | 'dead';
  /** Monotonic time of the death or revocation; undefined while neither is true. */
  readonly lostAt: number | undefined;
  readonly heldUntil: number | undefined;
  /** Whether this hub has not written the node's Lease yet; it is then due at once. */
  readonly leaseMissing: boolean;
  readonly hubStartedAt: number;
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Milliseconds since the epoch. */
  readonly wall: number;
}

export type DeviceStep =
  /** undefined: the label goes. */
  | { readonly step: 'set-site'; readonly site: string | undefined }
  | { readonly step: 'set-conditions'; readonly conditions: readonly NodeCondition[] }
  | { readonly step: 'set-taints'; readonly taints: readonly Taint[] }
  | { readonly step: 'set-device-status'; readonly status: DeviceStatus }
  | { readonly step: 'renew-lease'; readonly node: Node; readonly spec: LeaseSpec }
  | { readonly step: 'evict'; readonly eviction: Eviction }
  | { readonly step: 'set-pod-ready'; readonly change: ReadinessChange }
  /** The link writes again what the device reported before it was silent. */
  | { readonly step: 'restate' };

export interface DevicePlan {
  readonly steps: readonly DeviceStep[];
  /** Milliseconds after which the plan may differ by the mere passing of time. */
  readonly recheckAfterMs: number | undefined;
}

/** Times in the Device's status and the node's Lease are for people: they may be this old. */
const STATUS_AGE_MS = 60_000;
const NOBODY_REPORTED = 'NodeStatusUnknown';

export function planDevice(inputs: DeviceInputs): DevicePlan {
  const { node, device, now } = inputs;
  const ready = node === undefined ? undefined : readyCondition(inputs, node);
  const silenced = node === undefined ? [] : silencedConditions(node);
  const conditions = [
    ...(ready === undefined ? [] : [ready]),
    ...(node === undefined || inputs.verdict !== 'dead' ? [] : unknownPressures(inputs, node)),
  ];
  const taints = node === undefined ? undefined : changedTaints(inputs, node, ready);
  const status = device === undefined ? undefined : deviceStatus(inputs, device);
  const leaseDue = status !== undefined || inputs.leaseMissing;
  const lease = node === undefined || !leaseDue ? undefined : leaseSpec(inputs, node);
  const evictions = inputs.lostAt === undefined ? [] : allEvictions(inputs, inputs.lostAt);
  const due = evictions.filter(({ dueAt }) => dueAt <= now);
  const going = new Set(due.map(({ pod }) => pod.metadata.uid));
  const staying = inputs.pods.filter(({ metadata }) => !going.has(metadata.uid));
  const later = evictions.filter(({ dueAt }) => dueAt > now).map(({ dueAt }) => dueAt - now);
  const recheck = [...later, ...(device === undefined || inputs.verdict === 'dead' ? [] : [STATUS_AGE_MS])];
  return {
    steps: [
      // Taints first: nothing new may be scheduled to a device before what is there is taken away.
      ...(taints === undefined ? [] : [{ step: 'set-taints' as const, taints }]),
      ...siteSteps(inputs),
      ...(conditions.length === 0 ? [] : [{ step: 'set-conditions' as const, conditions }]),
      ...(inputs.verdict === 'alive' && silenced.length > 0 ? [{ step: 'restate' as const }] : []),
      ...due.map((eviction) => ({ step: 'evict' as const, eviction })),
      ...changedReadiness(staying, inputs.verdict, inputs.wall).map((change) => ({
        step: 'set-pod-ready' as const,
        change,
      })),
      ...(status === undefined ? [] : [{ step: 'set-device-status' as const, status }]),
      ...(lease === undefined || node === undefined
        ? []
        : [{ step: 'renew-lease' as const, node, spec: lease }]),
    ],
    recheckAfterMs: recheck.length === 0 ? undefined : Math.min(...recheck),
  };
}

/** The Node says where its device stands, so that pods can be sent there. */
function siteSteps({ node, device }: DeviceInputs): DeviceStep[] {
  if (node === undefined || device === undefined) return [];
  const site = labelValue(device.spec.site ?? '') || undefined;
  return node.metadata.labels?.[FLEET_LABEL.site] === site ? [] : [{ step: 'set-site', site }];
}

function allEvictions(inputs: DeviceInputs, lostAt: number): readonly Eviction[] {
  return planEvictions(inputs.pods, {
    failoverClass: inputs.device?.spec.failoverClass,
    liveness: inputs.liveness,
    hubStartedAt: inputs.hubStartedAt,
    lostAt,
    revoked: inputs.device?.spec.revoked === true,
    heldUntil: inputs.heldUntil,
  });
}

/** The Ready condition to write; undefined when it stands as it should. What the device itself reports is never overruled while it is alive. */
function readyCondition(inputs: DeviceInputs, node: Node): NodeCondition | undefined {
  const known = findCondition(node.status.conditions, NODE_CONDITION.ready);
  const lastTransitionTime = formatTime(inputs.wall);
  if (inputs.verdict === 'dead') {
    if (known?.status === 'Unknown') return undefined;
    return unknown(NODE_CONDITION.ready, inputs.wall);
  }
  if (inputs.verdict === 'waiting' || known?.status !== 'Unknown') return undefined;
  return {
    type: NODE_CONDITION.ready,
    status: 'True',
    reason: 'DeviceReady',
    message: 'device is posting ready status',
    lastHeartbeatTime: lastTransitionTime,
    lastTransitionTime,
  };
}

/** What else a device says of itself; one that never said it has nothing to lose. */
const PRESSURES: ReadonlySet<string> = new Set([
  NODE_CONDITION.memoryPressure,
  NODE_CONDITION.diskPressure,
  NODE_CONDITION.pidPressure,
]);

function unknownPressures({ wall }: DeviceInputs, node: Node): NodeCondition[] {
  const said = (node.status.conditions ?? []).filter(({ type }) => PRESSURES.has(type));
  return said.filter(({ status }) => status !== 'Unknown').map(({ type }) => unknown(type, wall));
}

/** Pressures of which only the device knows what they were before it fell silent. */
function silencedConditions(node: Node): NodeCondition[] {
  return (node.status.conditions ?? []).filter(
    ({ type, status, reason }) => PRESSURES.has(type) && status === 'Unknown' && reason === NOBODY_REPORTED,
  );
}

function unknown(type: string, wall: number): NodeCondition {
  return {
    type,
    status: 'Unknown',
    reason: NOBODY_REPORTED,
    message: 'Device stopped posting node status.',
    lastTransitionTime: formatTime(wall),
  };
}

function changedTaints(
  inputs: DeviceInputs,
  node: Node,
  ready: NodeCondition | undefined,
): readonly Taint[] | undefined {
  const known = node.spec.taints ?? [];
  const status = ready?.status ?? findCondition(node.status.conditions, NODE_CONDITION.ready)?.status;
  const wanted: Taint[] = [];
  const keep = (key: string, effect: Taint['effect']) => {
    const before = known.find((taint) => taint.key === key && taint.effect === effect);
    wanted.push(before ?? { key, effect, timeAdded: formatTime(inputs.wall) });
  };
  if (inputs.device?.spec.revoked === true) {
    keep(FLEET_TAINT.revoked, 'NoSchedule');
    keep(FLEET_TAINT.revoked, 'NoExecute');
  }
  const heldDown = inputs.verdict === 'waiting' && known.some((taint) => taint.key === TAINT.unreachable);
  if (inputs.verdict === 'dead' || heldDown) {
    keep(TAINT.unreachable, 'NoSchedule');
    keep(TAINT.unreachable, 'NoExecute');
  } else if (status !== 'True') keep(TAINT.notReady, 'NoSchedule');
  const others = known.filter((taint) => !OURS.has(taint.key));
  const next = [...others, ...wanted];
  return sameJson(next, [...others, ...known.filter((taint) => OURS.has(taint.key))]) ? undefined : next;
}

const OURS: ReadonlySet<string> = new Set([TAINT.unreachable, TAINT.notReady, FLEET_TAINT.revoked]);

/** Whoever is not there renews nothing: the Lease runs out. */
function leaseSpec({ liveness, verdict, now, wall }: DeviceInputs, node: Node): LeaseSpec | undefined {
  if (liveness?.connected !== true || verdict === 'dead') return undefined;
  const heardAt = wall - (now - liveness.lastHeard);
  return nodeLeaseSpec(node.metadata.name, heardAt, liveness.beatInterval, STATUS_AGE_MS);
}

function deviceStatus(inputs: DeviceInputs, device: Device): DeviceStatus | undefined {
  const { liveness, verdict, now, wall } = inputs;
  const presence =
    verdict === 'dead'
      ? 'Offline'
      : liveness?.connected === true
        ? 'Online'
        : (device.status.presence ?? 'Unknown');
  const wallTime = (monotonic: number) => formatTime(wall - (now - monotonic));
  const known = parseTime(device.status.lastHeardTime);
  const heard = liveness === undefined ? undefined : wall - (now - liveness.lastHeard);
  const stale = liveness?.connected === true && heard !== undefined && heard - (known ?? 0) >= STATUS_AGE_MS;
  if (presence === device.status.presence && !stale) return undefined;
  return {
    presence,
    ...(liveness === undefined
      ? {}
      : { lastHeardTime: wallTime(liveness.lastHeard), leaseEndTime: wallTime(liveness.leaseEnds) }),
  };
}
