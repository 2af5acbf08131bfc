/**
 * The times that hub and device must agree on for failover: how often a device beats, how long a lease
 * lasts, when silence means death, and how long after its lease's end a device has surely stopped its
 * exclusive pods. Both sides import these constants; a pod of class `exclusive` is safe only because they do.
 *
 * Invariant: `stopMarginMs` ≥ `AGENT_STOP_BUDGET_MS`. The device stops exclusive pods within the budget
 * after its lease ends on its own monotonic clock. It counts the lease from the moment it *sent* the beat
 * that was answered; the hub counts from the moment it *granted*, which is later, so the device is always first.
 */
import { FLEET_ANNOTATION } from '../fleet/v1alpha1/well-known.js';
import type { FailoverClass } from './assignment.js';

/** The device kills what is left of its exclusive pods this long after its lease ended, grace or not. */
export const AGENT_STOP_BUDGET_MS = 5_000;

/**
 * A will is only a hint of death: an agent that was killed and is started again comes back within seconds,
 * and its containers never stopped. The device must stay away this long.
 */
export const WILL_CONFIRMATION_MS = 5_000;

/**
 * After a start of the hub no device is judged dead before this. Agents of every class but `relaxed` pause less
 * than half as long between two attempts to connect; relaxed ones are waited for much longer anyway.
 */
export const HUB_RESTART_GRACE_MS = 60_000;

/** The class of a device: the strictest class among its pods, or `idle` when it has none. */
export type CadenceClass = FailoverClass | 'idle';

export interface Cadence {
  /** A beat is sent this often. */
  readonly beatIntervalMs: number;
  /** Lifetime of the lease granted with each beat. */
  readonly leaseMs: number;
  /** Silence after which the device is judged dead. Always at least two missed beats. */
  readonly deadAfterMs: number;
  /** Exclusive pods are replaced only this long after the lease's end. */
  readonly stopMarginMs: number;
}

/**
 * One length for all: only exclusive pods need a lease, and a device that gets one beats at their cadence. A longer
 * lease from a slower time would only hold up the failover of what came later.
 */
const LEASE_MS = 10_000;

const CADENCES: Readonly<Record<CadenceClass, Cadence>> = {
  fast: { beatIntervalMs: 2_000, leaseMs: LEASE_MS, deadAfterMs: 7_000, stopMarginMs: 8_000 },
  exclusive: { beatIntervalMs: 2_000, leaseMs: LEASE_MS, deadAfterMs: 7_000, stopMarginMs: 8_000 },
  relaxed: { beatIntervalMs: 60_000, leaseMs: LEASE_MS, deadAfterMs: 300_000, stopMarginMs: 8_000 },
  idle: { beatIntervalMs: 30_000, leaseMs: LEASE_MS, deadAfterMs: 75_000, stopMarginMs: 8_000 },
};

/**
 * Lease of a device whose agent says that it is about to be started again, as another release of itself: its
 * exclusive pods run on meanwhile. Less than half of HUB_RESTART_GRACE_MS, so that what a restarted hub must assume
 * to be out holds nothing up.
 */
export const RESTART_LEASE_MS = 30_000;

/** So long the silence of such a device means nothing: a slow board may have to start an agent, and go back. */
export const RESTART_AWAY_MS = 120_000;

/** The longest lease that is ever granted; what a restarted hub must assume is still out. */
export const LONGEST_LEASE_MS = Math.max(
  RESTART_LEASE_MS,
  ...Object.values(CADENCES).map((cadence) => cadence.leaseMs),
);

export function cadence(of: CadenceClass): Cadence {
  return CADENCES[of];
}

/** What of a pod decides its failover class. */
export interface FailoverSubject {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string>> | undefined;
    readonly ownerReferences?:
      | ReadonlyArray<{ readonly kind: string; readonly controller?: boolean | undefined }>
      | undefined;
  };
}

/**
 * The failover class of a pod: its annotation; else that of its device (`deviceDefault`); else `exclusive`
 * when a StatefulSet controls it; else `fast`. An unknown annotation value counts as absent.
 */
export function failoverClassOf(pod: FailoverSubject, deviceDefault?: string): FailoverClass {
  const asked = known(pod.metadata.annotations?.[FLEET_ANNOTATION.failoverClass]);
  if (asked !== undefined) return asked;
  const stateful = pod.metadata.ownerReferences?.some(
    (owner) => owner.controller === true && owner.kind === 'StatefulSet',
  );
  if (stateful) return 'exclusive';
  return known(deviceDefault) ?? 'fast';
}

/** The cadence class of a device that has pods of these classes: the strictest one. */
export function strictestClass(classes: Iterable<FailoverClass>): CadenceClass {
  let strictest: CadenceClass = 'idle';
  for (const one of classes) {
    if (one === 'exclusive') return 'exclusive';
    if (one === 'fast' || strictest === 'idle') strictest = one;
  }
  return strictest;
}

function known(value: string | undefined): FailoverClass | undefined {
  return value === 'fast' || value === 'exclusive' || value === 'relaxed' ? value : undefined;
}
