/**
 * Pods: status apart from spec, almost immutable spec, graceful deletion while a device runs them, and the
 * two posts `binding` (once) and `eviction` (a graceful delete).
 */

import type { Binding } from '#protocol/core/v1/binding.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { POD_CONDITION } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { findCondition, setCondition } from '#protocol/meta/condition.js';
import { notSupported, required } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError, successStatus } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import type { Eviction } from '#protocol/policy/v1/eviction.js';
import { type Connect, keepAllButStatus, keepStatus, type Strategy } from '../strategy.js';
import { validatePodSpecChange } from './pod-immutability.js';
import { withReadiness } from './pod-readiness.js';
import { qosClassOf } from './qos-class.js';

const BINDING = { group: '', resource: 'pods/binding' };

export function podStrategy(clock: Clock): Strategy<Pod> {
  return {
    countsGeneration: true,
    prepareForCreate(pod) {
      pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
    },
    updates: {
      '': {
        prepare: keepStatus,
        validate: (pod, old) => validatePodSpecChange(pod.spec, old.spec),
      },
      status: {
        prepare(pod, old) {
          keepAllButStatus(pod, old);
          const { qosClass } = old.status;
          if (pod.status.qosClass === undefined && qosClass !== undefined) {
            pod.status = { ...pod.status, qosClass };
          }
          const before = findCondition(old.status.conditions, POD_CONDITION.ready);
          pod.status = withReadiness(pod, before, formatTime(clock.now()));
        },
      },
      binding: {},
    },
    connects: { binding: bind(clock), eviction: evict },
    gracePeriodSeconds(pod, requested) {
      const wanted = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
      if (!pod.spec.nodeName || hasEnded(pod.status)) return 0;
      return wanted < 0 ? 1 : wanted;
    },
  };
}

/** POST pods/binding: sets spec.nodeName once and says so in the PodScheduled condition. */
function bind(clock: Clock): Connect<Pod> {
  return async ({ scope, storage, current }, body) => {
    const { target, metadata } = body as Binding;
    const { name } = current.metadata;
    const errors = [];
    if (target.kind && target.kind !== 'Node') {
      errors.push(notSupported('target.kind', target.kind, ['Node', '<empty>']));
    }
    if (!target.name) errors.push(required('target.name'));
    if (errors.length > 0) throw ApiError.invalid({ group: '', kind: 'Binding' }, name, errors);
    const node = target.name ?? '';
    const annotations = metadata.annotations ?? {};
    await storage.update(scope, name, 'binding', (object) => {
      const pod = object as Readonly<Pod>;
      checkBindable(pod, metadata);
      return bound(pod, node, annotations, formatTime(clock.now()));
    });
    return created();
  };
}

function checkBindable(pod: Readonly<Pod>, wanted: Binding['metadata']): void {
  const { name, uid, resourceVersion, deletionTimestamp } = pod.metadata;
  const conflict = (why: string) => ApiError.conflict(BINDING, name, why);
  if (wanted.uid !== '' && wanted.uid !== uid) {
    throw conflict(`Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`);
  }
  if (wanted.resourceVersion && wanted.resourceVersion !== resourceVersion) {
    throw conflict(
      `Precondition failed: ResourceVersion in precondition: ${wanted.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
  if (deletionTimestamp !== undefined) {
    throw conflict(`pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (pod.spec.nodeName) throw conflict(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if ((pod.spec.schedulingGates?.length ?? 0) > 0) {
    throw conflict(`pod ${name} has non-empty .spec.schedulingGates`);
  }
}

function bound(pod: Readonly<Pod>, node: string, annotations: Record<string, string>, now: string): Pod {
  const scheduled = { type: POD_CONDITION.scheduled, status: 'True' };
  const added = Object.keys(annotations).length > 0;
  return {
    ...pod,
    metadata: added
      ? { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } }
      : pod.metadata,
    spec: { ...pod.spec, nodeName: node },
    status: { ...pod.status, conditions: setCondition(pod.status.conditions, scheduled, now) },
  };
}

/** POST pods/eviction: a delete with the options in the body. */
const evict: Connect<Pod> = async ({ scope, storage, current }, body) => {
  const { metadata, deleteOptions } = body as Eviction;
  const { name } = current.metadata;
  if (metadata.name !== '' && metadata.name !== name) {
    throw ApiError.badRequest('name in URL does not match name in Eviction object');
  }
  const { uid, resourceVersion } = deleteOptions?.preconditions ?? {};
  const dryRun = scope.dryRun || (deleteOptions?.dryRun?.includes('All') ?? false);
  await storage.delete({ ...scope, dryRun }, name, {
    gracePeriodSeconds: deleteOptions?.gracePeriodSeconds,
    propagationPolicy: deleteOptions?.propagationPolicy,
    preconditions: {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  });
  return created();
};

/** The Status that answers a post which makes no object of its own. */
function created(): KubernetesObject {
  const { details: _none, ...status } = successStatus({});
  return { ...status, code: 201 } as unknown as KubernetesObject;
}
