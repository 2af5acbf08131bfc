/**
 * The Ready condition of pods with readiness gates. The device knows whether the containers are ready and others
 * write the conditions that the gates name, so only where both arrive can Ready be told: at every change of the
 * pod's status, by kubelet's rule. Pods without gates keep the Ready that their device reports. Pure.
 */
import { hasReadinessGates, type Pod, type PodCondition, type PodStatus } from '#protocol/core/v1/pod.js';
import { NODE_NOT_READY, POD_CONDITION } from '#protocol/core/v1/well-known.js';
import { findCondition } from '#protocol/meta/condition.js';

/**
 * The status with Ready as its other conditions make it. `before` is the Ready that was stored, for its
 * transition time; `now` is RFC 3339. The status as it is until the device has said ContainersReady, and while
 * Ready says that the device is silent.
 */
export function withReadiness(pod: Readonly<Pod>, before: PodCondition | undefined, now: string): PodStatus {
  const { status } = pod;
  const { conditions = [] } = status;
  const containersReady = findCondition(conditions, POD_CONDITION.containersReady);
  if (!hasReadinessGates(pod.spec) || containersReady === undefined) return status;
  const written = findCondition(conditions, POD_CONDITION.ready);
  const silenced = written?.status === 'False' && written.reason === NODE_NOT_READY;
  if (silenced && containersReady.status === 'True') return status;
  const { status: verdict, reason, message } = gated(pod, containersReady);
  const ready: PodCondition = {
    type: POD_CONDITION.ready,
    status: verdict,
    lastTransitionTime: (before?.status === verdict ? before.lastTransitionTime : undefined) ?? now,
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
  };
  return {
    ...status,
    conditions: written
      ? conditions.map((one) => (one.type === ready.type ? ready : one))
      : [...conditions, ready],
  };
}

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;

function gated({ spec, status }: Readonly<Pod>, containersReady: PodCondition): Verdict {
  if (containersReady.status !== 'True') return containersReady;
  const unmet: string[] = [];
  for (const { conditionType } of spec.readinessGates ?? []) {
    const found = findCondition(status.conditions, conditionType);
    if (found === undefined)
      unmet.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (found.status !== 'True')
      unmet.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`);
  }
  if (unmet.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: unmet.join(', ') };
}
