/** Rules and defaults of nodes: taints, addresses of pods, resource quantities. */
import { duplicate, type FieldError, invalid, required } from '../../meta/field-error.js';
import { checkLabelValue, checkQualifiedName } from '../../meta/names.js';
import type { Node } from './node.js';
import { isNegative } from './resource-validation.js';

/** What a node can give is what it has, unless it says otherwise. */
export function nodeDefaults(node: Node): void {
  if (node.status.capacity && !node.status.allocatable) node.status.allocatable = { ...node.status.capacity };
}

export function validateNode(node: Node): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, taint] of (node.spec.taints ?? []).entries()) {
    const field = `spec.taints[${index}]`;
    for (const problem of checkQualifiedName(taint.key))
      errors.push(invalid(`${field}.key`, taint.key, problem));
    for (const problem of checkLabelValue(taint.value ?? '')) {
      errors.push(invalid(`${field}.value`, taint.value, problem));
    }
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity)) {
      errors.push({
        ...duplicate(field, taint),
        message: `${duplicate(field, taint).message}: taints must be unique by key and effect pair`,
      });
    }
    seen.add(identity);
  }
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(node.status[list] ?? {})) {
      if (isNegative(amount)) {
        errors.push(invalid(`status.${list}[${name}]`, amount, 'must be greater than or equal to 0'));
      }
    }
  }
  for (const [index, condition] of (node.status.conditions ?? []).entries()) {
    if (condition.type === '') errors.push(required(`status.conditions[${index}].type`));
  }
  return errors;
}
