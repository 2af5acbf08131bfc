/** Rules of affinity, tolerations and topology spread. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../../meta/field-error.js';
import { validateLabelSelector } from '../../meta/label-selector.js';
import { checkLabelValue, checkQualifiedName } from '../../meta/names.js';
import {
  type Affinity,
  type NodeSelectorRequirement,
  type NodeSelectorTerm,
  type PodAffinityTerm,
  TAINT_EFFECTS,
  type Toleration,
  type TopologySpreadConstraint,
} from './affinity.js';

function requirementErrors(requirement: NodeSelectorRequirement, field: string): FieldError[] {
  const { key, operator, values = [] } = requirement;
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(
        forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else if ((operator === 'Gt' || operator === 'Lt') && values.length !== 1) {
    errors.push(
      required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
    );
  }
  for (const problem of checkQualifiedName(key)) errors.push(invalid(`${field}.key`, key, problem));
  return errors;
}

function termErrors(term: NodeSelectorTerm, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    errors.push(...requirementErrors(requirement, `${field}.matchExpressions[${index}]`));
  }
  for (const [index, { key, operator, values = [] }] of (term.matchFields ?? []).entries()) {
    const at = `${field}.matchFields[${index}]`;
    if (operator !== 'In' && operator !== 'NotIn') {
      errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    } else if (values.length !== 1) {
      errors.push(
        required(
          `${at}.values`,
          "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
      );
    }
    if (key !== 'metadata.name') errors.push(invalid(`${at}.key`, key, 'not a valid field selector key'));
  }
  return errors;
}

function weightErrors(weight: number, field: string): FieldError[] {
  return weight >= 1 && weight <= 100
    ? []
    : [invalid(`${field}.weight`, weight, 'must be in the range 1-100')];
}

function podTermErrors(term: PodAffinityTerm, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (term.labelSelector) errors.push(...validateLabelSelector(term.labelSelector, `${field}.labelSelector`));
  if (term.namespaceSelector) {
    errors.push(...validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`));
  }
  if (term.topologyKey === '') errors.push(required(`${field}.topologyKey`, 'can not be empty'));
  else {
    for (const problem of checkQualifiedName(term.topologyKey)) {
      errors.push(invalid(`${field}.topologyKey`, term.topologyKey, problem));
    }
  }
  return errors;
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function validateAffinity(affinity: Affinity, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const { nodeAffinity } = affinity;
  const hard = nodeAffinity?.[REQUIRED];
  if (hard) {
    const at = `${field}.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;
    if (hard.nodeSelectorTerms.length === 0)
      errors.push(required(at, 'must have at least one node selector term'));
    for (const [index, term] of hard.nodeSelectorTerms.entries())
      errors.push(...termErrors(term, `${at}[${index}]`));
  }
  for (const [index, soft] of (nodeAffinity?.[PREFERRED] ?? []).entries()) {
    const at = `${field}.nodeAffinity.${PREFERRED}[${index}]`;
    errors.push(...weightErrors(soft.weight, at), ...termErrors(soft.preference, `${at}.preference`));
  }
  for (const name of ['podAffinity', 'podAntiAffinity'] as const) {
    const terms = affinity[name];
    for (const [index, term] of (terms?.[REQUIRED] ?? []).entries()) {
      errors.push(...podTermErrors(term, `${field}.${name}.${REQUIRED}[${index}]`));
    }
    for (const [index, soft] of (terms?.[PREFERRED] ?? []).entries()) {
      const at = `${field}.${name}.${PREFERRED}[${index}]`;
      errors.push(
        ...weightErrors(soft.weight, at),
        ...podTermErrors(soft.podAffinityTerm, `${at}.podAffinityTerm`),
      );
    }
  }
  return errors;
}

export function validateTolerations(tolerations: readonly Toleration[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, toleration] of tolerations.entries()) {
    const at = `${field}[${index}]`;
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    if (key !== '')
      for (const problem of checkQualifiedName(key)) errors.push(invalid(`${at}.key`, key, problem));
    if (key === '' && operator !== 'Exists') {
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(
        invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (operator === 'Exists') {
      if (value !== '')
        errors.push(invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
    } else if (operator === '' || operator === 'Equal') {
      for (const problem of checkLabelValue(value)) errors.push(invalid(`${at}.operator`, value, problem));
    } else {
      errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    }
    if (effect !== '' && !(TAINT_EFFECTS as readonly string[]).includes(effect)) {
      errors.push(notSupported(`${at}.effect`, effect, TAINT_EFFECTS));
    }
  }
  return errors;
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, constraint] of constraints.entries()) {
    const at = `${field}[${index}]`;
    if (constraint.maxSkew <= 0)
      errors.push(invalid(`${at}.maxSkew`, constraint.maxSkew, 'must be greater than zero'));
    if (constraint.topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'));
    const identity = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`;
    if (seen.has(identity)) {
      errors.push({
        type: 'FieldValueDuplicate',
        field: `${at}.{topologyKey, whenUnsatisfiable}`,
        message: `Duplicate value: ${JSON.stringify(identity)}`,
      });
    }
    seen.add(identity);
    if (constraint.minDomains !== undefined && constraint.minDomains <= 0) {
      errors.push(invalid(`${at}.minDomains`, constraint.minDomains, 'must be greater than zero'));
    }
    if (constraint.labelSelector)
      errors.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`));
  }
  return errors;
}
