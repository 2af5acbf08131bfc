/**
 * RBAC's four kinds, indexed for questions about a user: which rules hold, and through which binding. The
 * index is plain memory; `apply` and `remove` keep it in step with the registry (see rbac-feed.ts). It answers
 * from what it has seen, so a fresh binding works as soon as its event has arrived.
 *
 * A ClusterRole with an aggregation rule has the rules of all ClusterRoles that its selectors match.
 */
import { serviceAccountUsername } from '#protocol/core/v1/service-account-user.js';
import { labelSelectorMatches } from '#protocol/meta/label-selector.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import type { ClusterRoleBinding } from '#protocol/rbac/v1/cluster-role-binding.js';
import type { PolicyRule, RoleRef, Subject } from '#protocol/rbac/v1/policy-rule.js';
import type { Role } from '#protocol/rbac/v1/role.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';

export type RbacObject = Role | ClusterRole | RoleBinding | ClusterRoleBinding;

/** One way in which a subject holds rules. */
export interface Grant {
  /** As in `RBAC: allowed by …`. */
  readonly binding: string;
  /** '' for everywhere. */
  readonly namespace: string;
  readonly roleRef: RoleRef;
}

export class RbacIndex {
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #clusterRoles = new Map<string, ClusterRole>();
  /** Aggregated rules, made when first asked for, dropped when any ClusterRole changes. */
  readonly #aggregated = new Map<string, readonly PolicyRule[]>();
  readonly #bindings = new Map<string, RoleBinding | ClusterRoleBinding>();
  /** Subject ('user:x', 'group:x') → grants by the key of their binding. */
  readonly #grants = new Map<string, Map<string, Grant>>();

  apply(object: Readonly<RbacObject>): void {
    switch (object.kind) {
      case 'Role':
        this.#roles.set(objectKey(object), object.rules);
        break;
      case 'ClusterRole':
        this.#clusterRoles.set(object.metadata.name, object);
        this.#aggregated.clear();
        break;
      case 'RoleBinding':
      case 'ClusterRoleBinding':
        this.#dropBinding(object);
        this.#addBinding(object);
        break;
    }
  }

  remove(object: Readonly<RbacObject>): void {
    switch (object.kind) {
      case 'Role':
        this.#roles.delete(objectKey(object));
        break;
      case 'ClusterRole':
        this.#clusterRoles.delete(object.metadata.name);
        this.#aggregated.clear();
        break;
      case 'RoleBinding':
      case 'ClusterRoleBinding':
        this.#dropBinding(object);
        break;
    }
  }

  /** Grants of a user that hold in a namespace ('' asks for those that hold everywhere). */
  *grantsOf(user: UserInfo, namespace: string): Generator<Grant, void, undefined> {
    yield* this.#grantsOfSubject(`user:${user.username}`, namespace);
    for (const group of user.groups) yield* this.#grantsOfSubject(`group:${group}`, namespace);
  }

  /** Rules of the role that a binding in `namespace` refers to; undefined when there is no such role. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    if (roleRef.kind === 'Role') return this.#roles.get(`${namespace}/${roleRef.name}`);
    const role = this.#clusterRoles.get(roleRef.name);
    if (role?.aggregationRule === undefined) return role?.rules;
    let rules = this.#aggregated.get(roleRef.name);
    if (rules === undefined) {
      rules = this.#aggregate(role);
      this.#aggregated.set(roleRef.name, rules);
    }
    return rules;
  }

  *#grantsOfSubject(subject: string, namespace: string): Generator<Grant, void, undefined> {
    const grants = this.#grants.get(subject);
    if (grants === undefined) return;
    for (const grant of grants.values()) {
      if (grant.namespace === '' || grant.namespace === namespace) yield grant;
    }
  }

  #aggregate(role: Readonly<ClusterRole>): readonly PolicyRule[] {
    const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
    const rules: PolicyRule[] = [...role.rules];
    for (const other of this.#clusterRoles.values()) {
      if (other === role || other.aggregationRule !== undefined) continue;
      const labels = other.metadata.labels ?? {};
      if (selectors.some((selector) => labelSelectorMatches(selector, labels))) rules.push(...other.rules);
    }
    return rules;
  }

  #addBinding(binding: Readonly<RoleBinding | ClusterRoleBinding>): void {
    const key = bindingKey(binding);
    const { namespace = '' } = binding.metadata;
    const grant = {
      binding: `${binding.kind} ${JSON.stringify(objectKey(binding))}`,
      namespace,
      roleRef: binding.roleRef,
    };
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects ?? []) {
      const name = subjectKey(subject, namespace);
      let grants = this.#grants.get(name);
      if (grants === undefined) {
        grants = new Map();
        this.#grants.set(name, grants);
      }
      grants.set(key, grant);
    }
  }

  #dropBinding(binding: Readonly<KubernetesObject>): void {
    const key = bindingKey(binding);
    const known = this.#bindings.get(key);
    if (known === undefined) return;
    this.#bindings.delete(key);
    for (const subject of known.subjects ?? []) {
      const name = subjectKey(subject, known.metadata.namespace ?? '');
      const grants = this.#grants.get(name);
      grants?.delete(key);
      if (grants?.size === 0) this.#grants.delete(name);
    }
  }
}

function bindingKey(binding: Readonly<KubernetesObject>): string {
  return `${binding.kind} ${objectKey(binding)}`;
}

function subjectKey(subject: Readonly<Subject>, bindingNamespace: string): string {
  switch (subject.kind) {
    case 'ServiceAccount': {
      const namespace = subject.namespace || bindingNamespace;
      return `user:${serviceAccountUsername({ namespace, name: subject.name })}`;
    }
    case 'Group':
      return `group:${subject.name}`;
    default:
      return `user:${subject.name}`;
  }
}
