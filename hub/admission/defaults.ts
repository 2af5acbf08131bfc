/**
 * Fills in what Kubernetes' own plug-ins would (priority), and refuses a failover class that does not exist
 * before a pod of that class could be scheduled.
 */
import type { Pod, PodSpec } from '#protocol/core/v1/pod.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { FAILOVER_CLASSES } from '#protocol/link/assignment.js';
import { notSupported } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import type { AdmissionAttributes, MutatingPlugin, ValidatingPlugin } from './plugin.js';

/** Priority classes that exist without an object, as in Kubernetes. */
const SYSTEM_PRIORITIES: Readonly<Record<string, number>> = {
  'system-node-critical': 2000001000,
  'system-cluster-critical': 2000000000,
};

export function priority(): MutatingPlugin {
  return {
    name: 'Priority',
    handles: (operation, group, resource, subresource) =>
      operation === 'CREATE' && group === '' && resource === 'pods' && subresource === '',
    admit(attributes) {
      const pod = attributes.object as Pod;
      const { priorityClassName = '', preemptionPolicy = 'PreemptLowerPriority' } = pod.spec;
      const value = priorityClassName === '' ? 0 : SYSTEM_PRIORITIES[priorityClassName];
      if (value === undefined) {
        const why = `no PriorityClass with name ${priorityClassName} was found`;
        throw ApiError.forbidden({ group: '', resource: 'pods' }, attributes.name, why);
      }
      pod.spec = { ...pod.spec, priority: value, preemptionPolicy } satisfies PodSpec;
    },
  };
}

interface Templated extends KubernetesObject {
  readonly spec?: {
    readonly template?: { readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> } };
  };
}

const ANNOTATED = new Set(['pods', 'deployments', 'replicasets', 'statefulsets', 'daemonsets']);

export function failoverClass(): ValidatingPlugin {
  return {
    name: 'FailoverClass',
    handles: (operation, _group, resource, subresource) =>
      (operation === 'CREATE' || operation === 'UPDATE') && subresource === '' && ANNOTATED.has(resource),
    validate(attributes) {
      const object = attributes.object as Templated;
      check(attributes, 'metadata', object.metadata.annotations);
      check(attributes, 'spec.template.metadata', object.spec?.template?.metadata?.annotations);
    },
  };
}

function check(
  { group, kind, name }: AdmissionAttributes,
  path: string,
  annotations: Readonly<Record<string, string>> | undefined,
): void {
  const value = annotations?.[FLEET_ANNOTATION.failoverClass];
  if (value === undefined || FAILOVER_CLASSES.some((known) => known === value)) return;
  const field = `${path}.annotations[${FLEET_ANNOTATION.failoverClass}]`;
  throw ApiError.invalid({ group, kind }, name, [notSupported(field, value, FAILOVER_CLASSES)]);
}
