/** Rules and defaults of Deployments and ReplicaSets. */
import { podSpecDefaults } from '../../core/v1/pod-defaults.js';
import { validatePodTemplate } from '../../core/v1/pod-validation.js';
import { type FieldError, forbidden, invalid, required } from '../../meta/field-error.js';
import { isIntOrPercent, isZeroIntOrPercent, percentOf } from '../../meta/int-or-string.js';
import { labelSelectorMatches, validateLabelSelector } from '../../meta/label-selector.js';
import type { Deployment } from './deployment.js';
import type { ReplicaSet } from './replica-set.js';

export function workloadDefaults(workload: Deployment | ReplicaSet): void {
  podSpecDefaults(workload.spec.template.spec);
  if (workload.kind === 'Deployment' && workload.spec.strategy.type === 'RollingUpdate') {
    workload.spec.strategy.rollingUpdate ??= { maxUnavailable: '25%', maxSurge: '25%' };
  }
}

const NOT_NEGATIVE = 'must be greater than or equal to 0';

function commonErrors(workload: Deployment | ReplicaSet): FieldError[] {
  const { spec } = workload;
  const errors: FieldError[] = [];
  if (spec.replicas < 0) errors.push(invalid('spec.replicas', spec.replicas, NOT_NEGATIVE));
  if ((spec.minReadySeconds ?? 0) < 0) {
    errors.push(invalid('spec.minReadySeconds', spec.minReadySeconds, NOT_NEGATIVE));
  }
  const { selector } = spec;
  const selectorErrors = validateLabelSelector(selector, 'spec.selector');
  errors.push(...selectorErrors);
  const requirements =
    Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length;
  if (requirements === 0) {
    const unset = selector.matchLabels === undefined && selector.matchExpressions === undefined;
    errors.push(
      unset
        ? required('spec.selector')
        : invalid('spec.selector', selector, `empty selector is invalid for ${workload.kind.toLowerCase()}`),
    );
  }
  const labels = spec.template.metadata.labels ?? {};
  if (requirements > 0 && selectorErrors.length === 0 && !labelSelectorMatches(selector, labels)) {
    errors.push(
      invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
    );
  }
  errors.push(...validatePodTemplate(spec.template, 'spec.template'));
  const { restartPolicy, activeDeadlineSeconds } = spec.template.spec;
  if (restartPolicy !== 'Always') {
    errors.push({
      type: 'FieldValueNotSupported',
      field: 'spec.template.spec.restartPolicy',
      message: `Unsupported value: ${JSON.stringify(restartPolicy)}: supported values: "Always"`,
    });
  }
  if (activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden(
        'spec.template.spec.activeDeadlineSeconds',
        `activeDeadlineSeconds in ${workload.kind} is not Supported`,
      ),
    );
  }
  return errors;
}

export function validateReplicaSet(replicaSet: ReplicaSet): FieldError[] {
  return commonErrors(replicaSet);
}

export function validateDeployment(deployment: Deployment): FieldError[] {
  const { spec } = deployment;
  const errors = commonErrors(deployment);
  errors.push(...strategyErrors(spec.strategy));
  if (spec.revisionHistoryLimit < 0) {
    errors.push(invalid('spec.revisionHistoryLimit', spec.revisionHistoryLimit, NOT_NEGATIVE));
  }
  if (spec.progressDeadlineSeconds < 0) {
    errors.push(invalid('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds, NOT_NEGATIVE));
  }
  if (spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0)) {
    errors.push(
      invalid(
        'spec.progressDeadlineSeconds',
        spec.progressDeadlineSeconds,
        'must be greater than minReadySeconds',
      ),
    );
  }
  return errors;
}

function strategyErrors(strategy: Deployment['spec']['strategy']): FieldError[] {
  const field = 'spec.strategy.rollingUpdate';
  const { rollingUpdate } = strategy;
  if (strategy.type === 'Recreate') {
    return rollingUpdate ? [forbidden(field, "may not be specified when strategy `type` is 'Recreate'")] : [];
  }
  if (!rollingUpdate) return [];
  const errors: FieldError[] = [];
  for (const name of ['maxUnavailable', 'maxSurge'] as const) {
    const value = rollingUpdate[name];
    if (!isIntOrPercent(value)) {
      errors.push(
        invalid(
          `${field}.${name}`,
          value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')",
        ),
      );
    } else if (typeof value === 'number' && value < 0) {
      errors.push(invalid(`${field}.${name}`, value, NOT_NEGATIVE));
    }
  }
  if (errors.length > 0) return errors;
  const percent = percentOf(rollingUpdate.maxUnavailable);
  if (percent !== undefined && percent > 100) {
    errors.push(
      invalid(`${field}.maxUnavailable`, rollingUpdate.maxUnavailable, 'must not be greater than 100%'),
    );
  }
  if (isZeroIntOrPercent(rollingUpdate.maxUnavailable) && isZeroIntOrPercent(rollingUpdate.maxSurge)) {
    errors.push(
      invalid(`${field}.maxUnavailable`, rollingUpdate.maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
    );
  }
  return errors;
}
