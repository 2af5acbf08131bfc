/** Which fields of a pod's spec may change once it exists, in Kubernetes' words. */
import type { Container, PodSpec } from '#protocol/core/v1/pod.js';
import { type FieldError, forbidden, invalid } from '#protocol/meta/field-error.js';
import { sameJson } from '../../lib/same-json.js';

const ALLOWED =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function validatePodSpecChange(spec: Readonly<PodSpec>, old: Readonly<PodSpec>): FieldError[] {
  if (spec === old) return [];
  const errors: FieldError[] = [];
  if (spec.containers.length !== old.containers.length) {
    return [forbidden('spec.containers', 'pod updates may not add or remove containers')];
  }
  if ((spec.initContainers?.length ?? 0) !== (old.initContainers?.length ?? 0)) {
    return [forbidden('spec.initContainers', 'pod updates may not add or remove containers')];
  }
  errors.push(...validateDeadline(spec.activeDeadlineSeconds, old.activeDeadlineSeconds));
  const tolerations = spec.tolerations ?? [];
  if (!(old.tolerations ?? []).every((kept) => tolerations.some((item) => sameToleration(item, kept)))) {
    errors.push(
      forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'),
    );
  }
  const gates = old.schedulingGates ?? [];
  const newGates = (spec.schedulingGates ?? []).filter(
    ({ name }) => !gates.some((gate) => gate.name === name),
  );
  if (newGates.length > 0) {
    errors.push(
      forbidden('spec.schedulingGates', 'only deletion is allowed, but found new scheduling gates'),
    );
  }
  const rest = withChangeableOf(spec, old);
  const changed = [...new Set([...Object.keys(rest), ...Object.keys(old)])].filter(
    (key) => !sameJson(rest[key as keyof PodSpec], old[key as keyof PodSpec]),
  );
  if (changed.length > 0) {
    errors.push(forbidden('spec', `${ALLOWED}\nchanged: ${changed.map((key) => `spec.${key}`).join(', ')}`));
  }
  return errors;
}

function validateDeadline(now: number | undefined, before: number | undefined): FieldError[] {
  const field = 'spec.activeDeadlineSeconds';
  if (now === undefined) {
    return before === undefined
      ? []
      : [invalid(field, null, 'must not update from a positive integer to nil value')];
  }
  if (now < 0 || now > 2147483647)
    return [invalid(field, now, 'must be between 0 and 2147483647, inclusive')];
  if (before !== undefined && now > before) {
    return [invalid(field, now, 'must be less than or equal to previous value')];
  }
  return [];
}

type Toleration = NonNullable<PodSpec['tolerations']>[number];

function sameToleration(a: Readonly<Toleration>, b: Readonly<Toleration>): boolean {
  return sameJson({ ...a, tolerationSeconds: undefined }, { ...b, tolerationSeconds: undefined });
}

/** `spec` with every changeable field as it was: what still differs may not. */
function withChangeableOf(spec: Readonly<PodSpec>, old: Readonly<PodSpec>): PodSpec {
  const graceAllowed =
    (old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1;
  const rest: PodSpec = {
    ...spec,
    containers: withImagesOf(spec.containers, old.containers),
    ...(spec.initContainers === undefined
      ? {}
      : { initContainers: withImagesOf(spec.initContainers, old.initContainers ?? []) }),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
  };
  if (graceAllowed) rest.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  return rest;
}

function withImagesOf(containers: readonly Container[], old: readonly Container[]): Container[] {
  return containers.map((container, index) => ({ ...container, image: old[index]?.image }));
}
