/**
 * Nobody grants through RBAC what they do not hold themselves, unless they may `escalate` roles or `bind` the
 * role in question. Members of system:masters hold everything.
 */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import { type PolicyRule, RBAC_GROUP, type RoleRef } from '#protocol/rbac/v1/policy-rule.js';
import type { Authorizer } from './authorizer.js';
import { rulesFor } from './rbac.js';
import type { RbacIndex } from './rbac-index.js';
import { formatRule, uncovered } from './rules.js';

/** The object that is being written. */
export interface EscalationTarget {
  /** 'roles', 'clusterroles', 'rolebindings' or 'clusterrolebindings'. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

export class EscalationCheck {
  readonly #index: RbacIndex;
  readonly #authorizer: Authorizer;

  /** `authorizer` is asked for the verbs escalate and bind. */
  constructor(index: RbacIndex, authorizer: Authorizer) {
    this.#index = index;
    this.#authorizer = authorizer;
  }

  /** Throws Forbidden unless the user may give these rules to a role. */
  role(user: UserInfo, target: EscalationTarget, rules: readonly PolicyRule[]): void {
    if (isSuperuser(user)) return;
    const { resource, namespace, name } = target;
    if (this.#may(user, 'escalate', resource, namespace, name)) return;
    this.#refuseUncovered(user, target, rules);
  }

  /** Throws Forbidden unless the user may bind this role; NotFound when a role that has to be read is missing. */
  binding(user: UserInfo, target: EscalationTarget, roleRef: RoleRef): void {
    if (isSuperuser(user)) return;
    const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
    if (this.#may(user, 'bind', resource, target.namespace, roleRef.name)) return;
    const rules = this.#index.rulesOf(roleRef, target.namespace);
    if (rules === undefined) throw ApiError.notFound({ group: RBAC_GROUP, resource }, roleRef.name);
    this.#refuseUncovered(user, target, rules);
  }

  #may(user: UserInfo, verb: string, resource: string, namespace: string, name: string): boolean {
    const verdict = this.#authorizer.authorize({
      kind: 'resource',
      user,
      verb,
      group: RBAC_GROUP,
      version: 'v1',
      resource,
      subresource: '',
      namespace,
      name,
    });
    return verdict.decision === 'Allow';
  }

  #refuseUncovered(user: UserInfo, target: EscalationTarget, rules: readonly PolicyRule[]): void {
    const missing = uncovered(rulesFor(this.#index, user, target.namespace), rules);
    if (missing.length === 0) return;
    const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
    throw ApiError.forbidden(
      { group: RBAC_GROUP, resource: target.resource },
      target.name,
      `user ${JSON.stringify(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.map(formatRule).join('\n')}`,
    );
  }
}

function isSuperuser(user: UserInfo): boolean {
  return user.groups.includes(IDENTITY.mastersGroup);
}
