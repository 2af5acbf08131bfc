/**
 * Node selector terms, by Kubernetes' rules: terms are alternatives, the requirements inside one must all
 * hold, and a term without requirements matches nothing.
 */
import type { NodeSelectorRequirement, NodeSelectorTerm } from '#protocol/core/v1/pod.js';
import type { NodeInfo } from './node-info.js';

export function matchesAnyTerm(terms: readonly NodeSelectorTerm[], node: NodeInfo): boolean {
  return terms.some((term) => matchesTerm(term, node));
}

export function matchesTerm(term: NodeSelectorTerm, node: NodeInfo): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((one) => matchesRequirement(one, node.labels[one.key])) &&
    fields.every((one) => matchesRequirement(one, one.key === 'metadata.name' ? node.name : undefined))
  );
}

function matchesRequirement(requirement: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return compare(value, values[0], (left, right) => left > right);
    case 'Lt':
      return compare(value, values[0], (left, right) => left < right);
    default:
      return false;
  }
}

const INTEGER = /^-?\d+$/;

function compare(
  value: string | undefined,
  bound: string | undefined,
  holds: (left: bigint, right: bigint) => boolean,
): boolean {
  if (value === undefined || bound === undefined || !INTEGER.test(value) || !INTEGER.test(bound))
    return false;
  return holds(BigInt(value), BigInt(bound));
}
