/** RBAC's rules as pure functions: does a rule allow a request, and do rules cover another rule. */
import type { PolicyRule } from '#protocol/rbac/v1/policy-rule.js';
import type { Attributes } from './authorizer.js';

const ALL = '*';

export function ruleAllows(rule: Readonly<PolicyRule>, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (attributes.kind === 'path') return pathMatches(rule.nonResourceURLs, attributes.path);
  const { group, resource, subresource, name } = attributes;
  return (
    has(rule.apiGroups, group) &&
    resourceMatches(rule.resources, resource, subresource) &&
    nameMatches(rule.resourceNames, name)
  );
}

function has(list: readonly string[] | undefined, item: string): boolean {
  return list !== undefined && (list.includes(item) || list.includes(ALL));
}

/** 'pods', 'pods/log', '*', and '*' + '/scale' for that subresource of everything. */
function resourceMatches(
  resources: readonly string[] | undefined,
  resource: string,
  subresource: string,
): boolean {
  if (resources === undefined) return false;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  return (
    resources.includes(full) ||
    resources.includes(ALL) ||
    (subresource !== '' && resources.includes(`*/${subresource}`))
  );
}

function nameMatches(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.length === 0 || names.includes(name);
}

function pathMatches(urls: readonly string[] | undefined, path: string): boolean {
  if (urls === undefined) return false;
  return urls.some(
    (url) => url === ALL || url === path || (url.endsWith(ALL) && path.startsWith(url.slice(0, -1))),
  );
}

/**
 * The parts of `wanted` that `held` does not cover; empty when everything in it is already held. Each part
 * has one verb, group, resource and name, or one verb and URL, as Kubernetes shows them in refusals.
 */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakdown).filter((part) => !held.some((rule) => covers(rule, part)));
}

function breakdown(rule: Readonly<PolicyRule>): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) parts.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const part = { verbs: [verb], apiGroups: [group], resources: [resource] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) parts.push(part);
        for (const name of names) parts.push({ ...part, resourceNames: [name] });
      }
    }
  }
  return parts;
}

/** Whether `rule` allows all that the one-verb part allows. */
function covers(rule: Readonly<PolicyRule>, part: Readonly<PolicyRule>): boolean {
  const verb = part.verbs[0] ?? '';
  if (!has(rule.verbs, verb)) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return pathMatches(rule.nonResourceURLs, url);
  const [resource = '', subresource = ''] = (part.resources?.[0] ?? '').split('/');
  const name = part.resourceNames?.[0];
  const names = rule.resourceNames ?? [];
  return (
    has(rule.apiGroups, part.apiGroups?.[0] ?? '') &&
    resourceMatches(rule.resources, resource, subresource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

/** A rule as Kubernetes prints it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`. */
export function formatRule(rule: Readonly<PolicyRule>): string {
  const fields: string[] = [];
  const add = (label: string, list: readonly string[] | undefined) => {
    if (list !== undefined && list.length > 0) {
      fields.push(`${label}:[${list.map((item) => JSON.stringify(item)).join(' ')}]`);
    }
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('ResourceNames', rule.resourceNames);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('Verbs', rule.verbs);
  return `{${fields.join(', ')}}`;
}
