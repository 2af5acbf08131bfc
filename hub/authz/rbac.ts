/**
 * The RBAC authorizer, and the rules that it knows of a user: for SelfSubjectRulesReview and for the check
 * that nobody grants what they do not hold.
 */
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { PolicyRule } from '#protocol/rbac/v1/policy-rule.js';
import { type Attributes, type Authorizer, NO_OPINION } from './authorizer.js';
import type { RbacIndex } from './rbac-index.js';
import { ruleAllows } from './rules.js';

export function rbacAuthorizer(index: RbacIndex): Authorizer {
  return {
    authorize(attributes: Attributes) {
      const namespace = attributes.kind === 'resource' ? attributes.namespace : '';
      for (const { binding, roleRef, namespace: bound } of index.grantsOf(attributes.user, namespace)) {
        const rules = index.rulesOf(roleRef, bound);
        if (rules?.some((rule) => ruleAllows(rule, attributes))) {
          const role = `${roleRef.kind} ${JSON.stringify(roleRef.name)}`;
          return { decision: 'Allow', reason: `RBAC: allowed by ${binding} of ${role}` };
        }
      }
      return NO_OPINION;
    },
  };
}

/** Every rule that a user holds in a namespace through any binding. */
export function rulesFor(index: RbacIndex, user: UserInfo, namespace: string): PolicyRule[] {
  const rules: PolicyRule[] = [];
  for (const { roleRef, namespace: bound } of index.grantsOf(user, namespace)) {
    rules.push(...(index.rulesOf(roleRef, bound) ?? []));
  }
  return rules;
}
