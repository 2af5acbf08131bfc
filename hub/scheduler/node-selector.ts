/**
 * Node selector terms, by Kubernetes' rules: terms are alternatives, the requirements inside one must all
 * hold, and a term without requirements matches nothing.
 */
import type { NodeSelectorRequirement, NodeSelectorTerm, Pod } from '#protocol/core/v1/pod.js';
import { matchesSelector } from '#protocol/meta/label-selector.js';
import type { NodeInfo } from './node-info.js';

function matchesAnyTerm(terms: readonly NodeSelectorTerm[], node: NodeInfo): boolean {
  return terms.some((term) => matchesTerm(term, node));
}

export function matchesTerm(term: NodeSelectorTerm, node: NodeInfo): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  return holdAll(expressions, node.labels) && holdAll(fields, { 'metadata.name': node.name });
}

/** Whether a pod's nodeSelector and required node affinity allow a node. */
export function allowsNode({ spec }: Pod, node: NodeInfo): boolean {
  for (const key in spec.nodeSelector) if (node.labels[key] !== spec.nodeSelector[key]) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesAnyTerm(required.nodeSelectorTerms, node);
}

function holdAll(
  requirements: readonly NodeSelectorRequirement[],
  values: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ key, operator, values: wanted }) =>
    matchesSelector([{ key, operator, values: wanted ?? [] }], values),
  );
}
