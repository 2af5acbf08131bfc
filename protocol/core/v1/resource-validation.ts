/** Rules of resource requests and limits. */
import { type FieldError, invalid } from '../../meta/field-error.js';
import { checkQualifiedName } from '../../meta/names.js';
import { compareQuantities, parseQuantity } from '../../meta/quantity.js';
import type { ResourceRequirements } from './resources.js';

const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage']);

export function isNegative(quantity: string): boolean {
  return quantity.startsWith('-') && parseQuantity(quantity).nanos < 0n;
}

/** Named by a domain of its own: handed out whole and never over-committed. */
function isExtendedResource(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
}

function nameErrors(name: string, field: string): FieldError[] {
  if (STANDARD.has(name)) return [];
  const problems = checkQualifiedName(name);
  if (problems.length > 0) return problems.map((problem) => invalid(field, name, problem));
  if (name.includes('/') || name.startsWith('hugepages-')) return [];
  return [
    invalid(field, name, 'must be a standard resource type or fully qualified'),
    invalid(field, name, 'must be a standard resource for containers'),
  ];
}

function amountErrors(name: string, amount: string, field: string): FieldError[] {
  if (isNegative(amount)) return [invalid(field, amount, 'must be greater than or equal to 0')];
  if (isExtendedResource(name) && parseQuantity(amount).nanos % 1_000_000_000n !== 0n) {
    return [invalid(field, amount, 'must be an integer')];
  }
  return [];
}

export function validateResources(resources: ResourceRequirements, field: string): FieldError[] {
  const { limits, requests } = resources;
  if (!limits && !requests) return [];
  const errors: FieldError[] = [];
  for (const name in limits) {
    const at = `${field}.limits[${name}]`;
    errors.push(...nameErrors(name, at), ...amountErrors(name, limits[name] ?? '0', at));
  }
  for (const name in requests) {
    const at = `${field}.requests[${name}]`;
    const request = requests[name] ?? '0';
    errors.push(...nameErrors(name, at), ...amountErrors(name, request, at));
    const limit = limits?.[name];
    if (limit === undefined) {
      if (isExtendedResource(name)) {
        errors.push({
          type: 'FieldValueRequired',
          field: `${field}.limits`,
          message: `Required value: Limit must be set for non overcommitable resources`,
        });
      }
      continue;
    }
    if (limit === request) continue;
    if (isExtendedResource(name)) {
      errors.push(invalid(`${field}.requests`, request, `must be equal to ${name} limit of ${limit}`));
    } else if (compareQuantities(request, limit) > 0) {
      errors.push(
        invalid(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`),
      );
    }
  }
  return errors;
}
