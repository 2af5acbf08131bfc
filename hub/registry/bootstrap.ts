/**
 * Brings a store to where the API can start: the system's namespaces, and the roles and bindings of the
 * bootstrap policy. Runs at every start and writes only what is missing.
 */
import { ANNOTATION, NAMESPACE } from '#protocol/core/v1/well-known.js';
import { FLEET_NAMESPACE } from '#protocol/fleet/v1alpha1/well-known.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { isAlreadyExists } from '#protocol/meta/status.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import type { ClusterRoleBinding } from '#protocol/rbac/v1/cluster-role-binding.js';
import { RBAC_GROUP } from '#protocol/rbac/v1/policy-rule.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';
import { bootstrapBindings, bootstrapRoleBindings, bootstrapRoles } from '../authz/bootstrap-policy.js';
import { uncovered } from '../authz/rules.js';
import { sameJson } from '../lib/same-json.js';
import type { Registry, RequestScope, ResourceStorage, Transform } from './resource-storage.js';
import { systemScope } from './storage-feed.js';

const SYSTEM_NAMESPACES = [
  NAMESPACE.default,
  NAMESPACE.system,
  NAMESPACE.public,
  NAMESPACE.nodeLease,
  FLEET_NAMESPACE,
] as const;

/** Resolves once everything is in the store. Rejects with the first error. */
export async function bootstrapRegistry(registry: Registry, signal: AbortSignal): Promise<void> {
  const scope = systemScope('', signal);
  const namespaces = need(registry, '', 'namespaces');
  const roles = need(registry, RBAC_GROUP, 'clusterroles');
  const bindings = need(registry, RBAC_GROUP, 'clusterrolebindings');
  await Promise.all([
    ...SYSTEM_NAMESPACES.map((name) => ensure(namespaces, scope, newNamespace(name), (stored) => stored)),
    ...bootstrapRoles().map((role) => ensure(roles, scope, role, (stored) => completeRole(stored, role))),
    ...bootstrapBindings().map((binding) =>
      ensure(bindings, scope, binding, (stored) => completeBinding(stored, binding)),
    ),
  ]);
  const roleBindings = need(registry, RBAC_GROUP, 'rolebindings');
  for (const binding of bootstrapRoleBindings()) {
    const within = systemScope(binding.metadata.namespace ?? '', signal);
    await ensure(roleBindings, within, binding, (stored) => completeBinding(stored, binding));
  }
}

function need(registry: Registry, group: string, resource: string): ResourceStorage {
  const storage = registry.storage(group, 'v1', resource);
  if (storage === undefined) throw new TypeError(`the catalogue has no ${resource} in group "${group}"`);
  return storage;
}

/** Creates an object, or completes the one that is there. */
export async function ensure(
  storage: ResourceStorage,
  scope: RequestScope,
  object: KubernetesObject,
  complete: Transform,
): Promise<void> {
  try {
    await storage.create(scope, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await storage.update(scope, object.metadata.name, '', complete);
  }
}

function newNamespace(name: string): KubernetesObject {
  const metadata = newObjectMeta({ name });
  const object: KubernetesObject & { spec: object; status: object } = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata,
    spec: {},
    status: {},
  };
  return object;
}

function isLeftAlone(object: Readonly<KubernetesObject>): boolean {
  return object.metadata.annotations?.[ANNOTATION.rbacAutoUpdate] === 'false';
}

function completeRole(stored: Readonly<KubernetesObject>, wanted: ClusterRole): KubernetesObject {
  const role = stored as Readonly<ClusterRole>;
  if (isLeftAlone(role)) return role;
  const missing = uncovered(role.rules, wanted.rules);
  const { aggregationRule = wanted.aggregationRule } = role;
  return {
    ...role,
    rules: missing.length === 0 ? role.rules : [...role.rules, ...missing],
    ...(aggregationRule === undefined ? {} : { aggregationRule }),
  } as ClusterRole;
}

function completeBinding<T extends ClusterRoleBinding | RoleBinding>(
  stored: Readonly<KubernetesObject>,
  wanted: T,
): KubernetesObject {
  const binding = stored as Readonly<T>;
  if (isLeftAlone(binding)) return binding;
  const subjects = binding.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(
    (subject) => !subjects.some((known) => sameJson(known, subject)),
  );
  return missing.length === 0 ? binding : { ...binding, subjects: [...subjects, ...missing] };
}
