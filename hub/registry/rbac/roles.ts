/** Roles and ClusterRoles: nobody writes rules into one that they do not hold. */
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import type { PolicyRule } from '#protocol/rbac/v1/policy-rule.js';
import type { Role } from '#protocol/rbac/v1/role.js';
import type { EscalationCheck } from '../../authz/escalation.js';
import { sameJson } from '../../lib/same-json.js';
import type { Strategy } from '../strategy.js';

/** An aggregated role may come to hold anything, so that making one takes everything. */
const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

export function roleStrategy(escalation: EscalationCheck): Strategy<Role | ClusterRole> {
  const check = (role: Readonly<Role | ClusterRole>, user: UserInfo) => {
    const { name, namespace = '' } = role.metadata;
    const resource = role.kind === 'Role' ? 'roles' : 'clusterroles';
    const aggregated = 'aggregationRule' in role && role.aggregationRule !== undefined;
    escalation.role(user, { resource, namespace, name }, aggregated ? EVERYTHING : role.rules);
  };
  return {
    countsGeneration: false,
    checkCreate: (role, { user }) => check(role, user),
    updates: {
      '': {
        check(role, old, { user }) {
          const { metadata: _metadata, ...content } = role;
          const { metadata: _old, ...before } = old;
          if (!sameJson(content, before)) check(role, user);
        },
      },
    },
  };
}
