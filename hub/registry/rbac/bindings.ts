/** RoleBindings and ClusterRoleBindings: the role of one never changes, and nobody binds what they do not hold. */
import { invalid } from '#protocol/meta/field-error.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { ClusterRoleBinding } from '#protocol/rbac/v1/cluster-role-binding.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';
import type { EscalationCheck } from '../../authz/escalation.js';
import { sameJson } from '../../lib/same-json.js';
import type { Strategy } from '../strategy.js';

type Binding = RoleBinding | ClusterRoleBinding;

export function bindingStrategy(escalation: EscalationCheck): Strategy<Binding> {
  const check = (binding: Readonly<Binding>, user: UserInfo) => {
    const { name, namespace = '' } = binding.metadata;
    const resource = binding.kind === 'RoleBinding' ? 'rolebindings' : 'clusterrolebindings';
    escalation.binding(user, { resource, namespace, name }, binding.roleRef);
  };
  return {
    countsGeneration: false,
    checkCreate: (binding, { user }) => check(binding, user),
    updates: {
      '': {
        validate: (binding, old) =>
          sameJson(binding.roleRef, old.roleRef)
            ? []
            : [invalid('roleRef', binding.roleRef, 'cannot change roleRef')],
        check(binding, old, { user }) {
          if (!sameJson(binding.subjects, old.subjects)) check(binding, user);
        },
      },
    },
  };
}
