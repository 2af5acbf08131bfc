/**
 * Terms by which a pod speaks of other pods: affinity, anti-affinity and topology spread. Compiled once per
 * pod; `matches` says whether another pod is meant. Without namespaces a term means the pod's own.
 */
import type { Pod, PodAffinityTerm } from '#protocol/core/v1/pod.js';
import {
  type LabelSelector,
  matchesSelector,
  type Requirement,
  type Selector,
  selectorFromObject,
} from '#protocol/meta/label-selector.js';

/** Labels of a namespace, for terms that select namespaces; undefined when it does not exist. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

export interface PodTerm {
  readonly topologyKey: string;
  matches(other: Pod, namespaceLabels: NamespaceLabels): boolean;
}

export interface WeightedTerm {
  readonly weight: number;
  readonly term: PodTerm;
}

const NONE: readonly never[] = [];

export function compileTerms(pod: Pod, terms: readonly PodAffinityTerm[] | undefined): readonly PodTerm[] {
  return terms === undefined || terms.length === 0 ? NONE : terms.map((term) => compileTerm(pod, term));
}

export function compileWeighted(
  pod: Pod,
  terms: ReadonlyArray<{ readonly weight: number; readonly podAffinityTerm: PodAffinityTerm }> | undefined,
  sign: 1 | -1,
): readonly WeightedTerm[] {
  return (terms ?? NONE).map(({ weight, podAffinityTerm }) => ({
    weight: sign * weight,
    term: compileTerm(pod, podAffinityTerm),
  }));
}

function compileTerm(pod: Pod, term: PodAffinityTerm): PodTerm {
  const selector = termSelector(pod, term.labelSelector, term.matchLabelKeys, term.mismatchLabelKeys);
  const inNamespace = namespaceMatcher(pod, term);
  return {
    topologyKey: term.topologyKey,
    matches: (other, namespaceLabels) =>
      selector !== undefined &&
      inNamespace(other.metadata.namespace ?? '', namespaceLabels) &&
      matchesSelector(selector, other.metadata.labels),
  };
}

/** A selector with the pod's own values of some keys added; undefined matches nothing. */
export function termSelector(
  pod: Pod,
  selector: LabelSelector | undefined,
  same: readonly string[] = NONE,
  different: readonly string[] = NONE,
): Selector | undefined {
  if (selector === undefined) return undefined;
  const added: Requirement[] = [];
  const add = (keys: readonly string[], operator: 'In' | 'NotIn') => {
    for (const key of keys) {
      const value = pod.metadata.labels?.[key];
      if (value !== undefined) added.push({ key, operator, values: [value] });
    }
  };
  add(same, 'In');
  add(different, 'NotIn');
  return [...selectorFromObject(selector), ...added];
}

function namespaceMatcher(
  pod: Pod,
  { namespaces, namespaceSelector }: PodAffinityTerm,
): (namespace: string, labels: NamespaceLabels) => boolean {
  const named = new Set(namespaces ?? NONE);
  if (namespaceSelector === undefined) {
    if (named.size === 0) named.add(pod.metadata.namespace ?? '');
    return (namespace) => named.has(namespace);
  }
  const selector = selectorFromObject(namespaceSelector);
  return (namespace, labels) => {
    if (named.has(namespace)) return true;
    const known = labels(namespace);
    return known !== undefined && matchesSelector(selector, known);
  };
}
