/** Rules and defaults of RBAC's four kinds. */
import { type FieldError, invalid, notSupported, required } from '../../meta/field-error.js';
import { checkPathSegment } from '../../meta/names.js';
import type { ClusterRole } from './cluster-role.js';
import type { ClusterRoleBinding } from './cluster-role-binding.js';
import { type PolicyRule, RBAC_GROUP, type Subject } from './policy-rule.js';
import type { Role } from './role.js';
import type { RoleBinding } from './role-binding.js';

export function bindingDefaults(binding: RoleBinding | ClusterRoleBinding): void {
  for (const subject of binding.subjects ?? []) {
    if (subject.apiGroup || subject.kind === 'ServiceAccount') continue;
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup = RBAC_GROUP;
  }
}

export function validateRoleRules(role: Role | ClusterRole): FieldError[] {
  const namespaced = role.kind === 'Role';
  return role.rules.flatMap((rule, index) => ruleErrors(rule, namespaced, `rules[${index}]`));
}

function ruleErrors(rule: PolicyRule, namespaced: boolean, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (rule.verbs.length === 0)
    errors.push(required(`${field}.verbs`, 'verbs must contain at least one value'));
  if ((rule.nonResourceURLs ?? []).length > 0) {
    if (namespaced) {
      errors.push(
        invalid(
          `${field}.nonResourceURLs`,
          rule.nonResourceURLs,
          'namespaced rules cannot apply to non-resource URLs',
        ),
      );
    }
    if (
      (rule.apiGroups ?? []).length + (rule.resources ?? []).length + (rule.resourceNames ?? []).length >
      0
    ) {
      errors.push(
        invalid(
          `${field}.nonResourceURLs`,
          rule.nonResourceURLs,
          'rules cannot apply to both regular resources and non-resource URLs',
        ),
      );
    }
    return errors;
  }
  if ((rule.apiGroups ?? []).length === 0) {
    errors.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if ((rule.resources ?? []).length === 0) {
    errors.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
  }
  return errors;
}

export function validateBindingRules(binding: RoleBinding | ClusterRoleBinding): FieldError[] {
  const errors: FieldError[] = [];
  const namespaced = binding.kind === 'RoleBinding';
  const { roleRef } = binding;
  if (roleRef.apiGroup !== RBAC_GROUP) {
    errors.push(notSupported('roleRef.apiGroup', roleRef.apiGroup, [RBAC_GROUP]));
  }
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind, kinds));
  if (roleRef.name === '') errors.push(required('roleRef.name'));
  else
    for (const problem of checkPathSegment(roleRef.name))
      errors.push(invalid('roleRef.name', roleRef.name, problem));
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    errors.push(...subjectErrors(subject, `subjects[${index}]`));
  }
  return errors;
}

function subjectErrors(subject: Subject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const group = subject.apiGroup ?? '';
  if (subject.name === '') errors.push(required(`${field}.name`));
  if (subject.kind === 'ServiceAccount') {
    if (group !== '') errors.push(notSupported(`${field}.apiGroup`, group, ['']));
    if (!subject.namespace) errors.push(required(`${field}.namespace`));
  } else if (subject.kind === 'User' || subject.kind === 'Group') {
    if (group !== RBAC_GROUP) errors.push(notSupported(`${field}.apiGroup`, group, [RBAC_GROUP]));
  } else {
    errors.push(notSupported(`${field}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group']));
  }
  return errors;
}
