/**
 * Bounds that keep one object from hurting everybody: what a device could not hold anyway is refused here,
 * with the bound in the message, instead of failing on the board.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import { type FieldError, invalid, tooMany } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ValidatingPlugin } from './plugin.js';

const LIMITS = {
  /** Containers and init containers of one pod together. */
  containers: 64,
  volumes: 128,
  /** Environment variables of one container. */
  env: 1024,
  /** A week. */
  terminationGracePeriodSeconds: 7 * 24 * 3600,
} as const;

export function limits(): ValidatingPlugin {
  return {
    name: 'Limits',
    handles: (operation, group, resource, subresource) =>
      operation === 'CREATE' && group === '' && resource === 'pods' && subresource === '',
    validate({ object, name, group, kind }) {
      const errors = podErrors((object as Pod).spec);
      if (errors.length > 0) throw ApiError.invalid({ group, kind }, name, errors);
    },
  };
}

function podErrors(spec: Readonly<Pod['spec']>): FieldError[] {
  const errors: FieldError[] = [];
  const count = spec.containers.length + (spec.initContainers?.length ?? 0);
  if (count > LIMITS.containers) errors.push(tooMany('spec.containers', count, LIMITS.containers));
  const volumes = spec.volumes?.length ?? 0;
  if (volumes > LIMITS.volumes) errors.push(tooMany('spec.volumes', volumes, LIMITS.volumes));
  spec.containers.forEach((container, index) => {
    const env = container.env?.length ?? 0;
    if (env > LIMITS.env) errors.push(tooMany(`spec.containers[${index}].env`, env, LIMITS.env));
  });
  const grace = spec.terminationGracePeriodSeconds ?? 0;
  if (grace > LIMITS.terminationGracePeriodSeconds) {
    const why = `must be at most ${LIMITS.terminationGracePeriodSeconds}`;
    errors.push(invalid('spec.terminationGracePeriodSeconds', grace, why));
  }
  return errors;
}
