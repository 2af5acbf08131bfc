/**
 * The roles and bindings that exist from the start, under Kubernetes' names where Kubernetes has them. They
 * are made and completed at every start of the hub; what an administrator added to them stays, and one
 * whose annotation `rbac.authorization.kubernetes.io/autoupdate` is "false" is left alone.
 */
import { ANNOTATION, API_GROUP, IDENTITY } from '#protocol/core/v1/well-known.js';
import { FLEET_GROUP, FLEET_NAMESPACE } from '#protocol/fleet/v1alpha1/well-known.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import type { ClusterRole } from '#protocol/rbac/v1/cluster-role.js';
import type { ClusterRoleBinding } from '#protocol/rbac/v1/cluster-role-binding.js';
import { type PolicyRule, RBAC_API_VERSION, RBAC_GROUP } from '#protocol/rbac/v1/policy-rule.js';
import type { RoleBinding } from '#protocol/rbac/v1/role-binding.js';

/** User names under which the parts of the hub are clients of the API. */
export const HUB_USER = {
  scheduler: 'system:kube-scheduler',
  controllers: 'system:kube-controller-manager',
  link: 'system:covey-link',
  /** Fills the caches that all of them read from; writes nothing. */
  cache: 'system:covey-cache',
  /** Uses up join tokens and deletes expired ones; may do so in the hub's own namespace only. */
  joining: 'system:covey-joining',
} as const;

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const CHANGE = ['patch', 'update'];
const FLEET = [FLEET_GROUP];

const rule = (apiGroups: string[], resources: string[], verbs: string[]): PolicyRule => ({
  apiGroups,
  resources,
  verbs,
});
const paths = (...nonResourceURLs: string[]): PolicyRule => ({ nonResourceURLs, verbs: ['get'] });

const VIEWABLE = [
  'bindings',
  'configmaps',
  'endpoints',
  'events',
  'namespaces',
  'namespaces/status',
  'persistentvolumeclaims',
  'pods',
  'pods/log',
  'pods/status',
  'serviceaccounts',
  'services',
];
const WORKLOADS = ['deployments', 'deployments/scale', 'replicasets', 'replicasets/scale'];
const WORKLOADS_VIEW = [...WORKLOADS, 'deployments/status', 'replicasets/status'];

const VIEW_RULES: readonly PolicyRule[] = [
  rule([''], VIEWABLE, READ),
  rule([API_GROUP.apps], WORKLOADS_VIEW, READ),
  rule([API_GROUP.events], ['events'], READ),
  rule([API_GROUP.coordination], ['leases'], READ),
];
const EDIT_RULES: readonly PolicyRule[] = [
  rule([''], ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets'], READ),
  rule([''], ['serviceaccounts'], ['impersonate']),
  rule([''], ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'], WRITE),
  rule([''], ['pods/eviction', 'serviceaccounts/token'], ['create']),
  rule([''], ['configmaps', 'events', 'secrets', 'serviceaccounts'], WRITE),
  rule([API_GROUP.apps], WORKLOADS, WRITE),
  rule([API_GROUP.coordination], ['leases'], WRITE),
];
const ADMIN_RULES: readonly PolicyRule[] = [
  rule([API_GROUP.authorization], ['localsubjectaccessreviews'], ['create']),
  rule([RBAC_GROUP], ['rolebindings', 'roles'], [...READ, ...WRITE]),
];

const ROLE_RULES: Readonly<Record<string, readonly PolicyRule[]>> = {
  'cluster-admin': [rule(['*'], ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }],
  'system:discovery': [
    paths('/api', '/api/*', '/apis', '/apis/*', '/healthz', '/livez', '/openapi', '/openapi/*', '/readyz'),
    paths('/version', '/version/'),
  ],
  // What boards are like is no secret, and who makes manifests or cards looks it up.
  'system:covey-profile-viewer': [rule(FLEET, ['firmwareprofiles'], READ)],
  'system:public-info-viewer': [paths('/healthz', '/livez', '/readyz', '/version', '/version/')],
  'system:basic-user': [
    rule([API_GROUP.authorization], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
    rule([API_GROUP.authentication], ['selfsubjectreviews'], ['create']),
  ],
  'system:monitoring': [paths('/healthz', '/livez', '/metrics', '/readyz')],
  'system:auth-delegator': [
    rule([API_GROUP.authentication], ['tokenreviews'], ['create']),
    rule([API_GROUP.authorization], ['subjectaccessreviews'], ['create']),
  ],
  // Bound to nobody: devices are allowed what they need, object by object, by the device authorizer.
  'system:device': [
    rule([''], ['nodes'], ['create', 'get']),
    rule([''], ['nodes/status', 'pods/status'], CHANGE),
    rule(FLEET, ['devices'], ['get']),
    rule(FLEET, ['devices/status'], CHANGE),
    rule([''], ['pods'], [...READ, 'delete']),
    rule([''], ['events'], ['create', ...CHANGE]),
  ],
  'system:kube-scheduler': [
    rule([''], ['pods/binding'], ['create']),
    rule([''], ['pods/status'], ['patch']),
    rule([''], ['events'], ['create', 'patch']),
  ],
  // The garbage collector and the namespace controller delete objects of every kind, and must see them all.
  'system:kube-controller-manager': [
    rule(['*'], ['*'], [...READ, ...WRITE]),
    rule([''], ['pods/eviction', 'serviceaccounts/token'], ['create']),
  ],
  'system:covey-link': [
    // Reports on pods are written under the identity of their device, so that its restrictions apply.
    rule([''], ['pods'], ['get']),
    rule([''], ['nodes'], ['create', 'get', 'patch']),
    rule([''], ['nodes/status'], ['update']),
    rule([''], ['serviceaccounts/token'], ['create']),
    rule([''], ['events'], ['create', 'get', 'patch']),
    rule(FLEET, ['devices'], ['create', 'get', 'patch']),
    rule(FLEET, ['devices/status'], CHANGE),
  ],
  'system:covey-cache': [rule(['*'], ['*'], READ)],
  'system:covey-joining': [rule([''], ['secrets'], ['delete', 'get', 'list', 'update'])],
};

/** admin ⊃ edit ⊃ view, by Kubernetes' aggregation labels; charts add to them with the same labels. */
const AGGREGATES = [
  { name: 'view', rules: VIEW_RULES, to: 'view' },
  { name: 'edit', rules: EDIT_RULES, to: 'edit' },
  { name: 'admin', rules: ADMIN_RULES, to: 'admin' },
] as const;
const GATHERS: Readonly<Record<string, readonly string[]>> = {
  view: ['view'],
  edit: ['edit', 'view'],
  admin: ['admin', 'edit', 'view'],
};

interface BindingPlan {
  readonly name: string;
  readonly role: string;
  readonly subjects: ReadonlyArray<{ readonly kind: 'User' | 'Group'; readonly name: string }>;
}

const group = (name: string) => ({ kind: 'Group', name }) as const;
const user = (name: string) => ({ kind: 'User', name }) as const;

const BINDINGS: readonly BindingPlan[] = [
  { name: 'cluster-admin', role: 'cluster-admin', subjects: [group(IDENTITY.mastersGroup)] },
  { name: 'system:discovery', role: 'system:discovery', subjects: [group(IDENTITY.authenticatedGroup)] },
  { name: 'system:basic-user', role: 'system:basic-user', subjects: [group(IDENTITY.authenticatedGroup)] },
  {
    name: 'system:covey-profile-viewer',
    role: 'system:covey-profile-viewer',
    subjects: [group(IDENTITY.authenticatedGroup)],
  },
  {
    name: 'system:public-info-viewer',
    role: 'system:public-info-viewer',
    subjects: [group(IDENTITY.authenticatedGroup), group(IDENTITY.unauthenticatedGroup)],
  },
  { name: 'system:monitoring', role: 'system:monitoring', subjects: [group('system:monitoring')] },
  { name: 'system:kube-scheduler', role: 'system:kube-scheduler', subjects: [user(HUB_USER.scheduler)] },
  {
    name: 'system:kube-controller-manager',
    role: 'system:kube-controller-manager',
    subjects: [user(HUB_USER.controllers)],
  },
  { name: 'system:covey-link', role: 'system:covey-link', subjects: [user(HUB_USER.link)] },
  { name: 'system:covey-cache', role: 'system:covey-cache', subjects: [user(HUB_USER.cache)] },
];
const NAMESPACED_BINDINGS: ReadonlyArray<BindingPlan & { readonly namespace: string }> = [
  {
    name: 'system:covey-joining',
    namespace: FLEET_NAMESPACE,
    role: 'system:covey-joining',
    subjects: [user(HUB_USER.joining)],
  },
];

const AGGREGATE_LABEL = `${RBAC_GROUP}/aggregate-to-`;

function meta(
  name: string,
  { namespace = '', labels = {} }: { namespace?: string; labels?: Record<string, string> } = {},
) {
  return newObjectMeta({
    name,
    ...(namespace === '' ? {} : { namespace }),
    labels: { [ANNOTATION.rbacBootstrapping]: 'rbac-defaults', ...labels },
    annotations: { [ANNOTATION.rbacAutoUpdate]: 'true' },
  });
}

function clusterRole(
  name: string,
  rules: readonly PolicyRule[],
  labels: Record<string, string> = {},
): ClusterRole {
  return {
    apiVersion: RBAC_API_VERSION,
    kind: 'ClusterRole',
    metadata: meta(name, { labels }),
    rules: [...rules],
  };
}

/** Every ClusterRole of the start. Fresh objects at each call. */
export function bootstrapRoles(): ClusterRole[] {
  const roles = Object.entries(ROLE_RULES).map(([name, rules]) => clusterRole(name, rules));
  for (const { name, rules, to } of AGGREGATES) {
    roles.push(clusterRole(`system:aggregate-to-${to}`, rules, { [`${AGGREGATE_LABEL}${to}`]: 'true' }));
    const clusterRoleSelectors = (GATHERS[name] ?? []).map((part) => ({
      matchLabels: { [`${AGGREGATE_LABEL}${part}`]: 'true' },
    }));
    roles.push({ ...clusterRole(name, []), aggregationRule: { clusterRoleSelectors } });
  }
  return roles;
}

/** Every ClusterRoleBinding of the start. Fresh objects at each call. */
export function bootstrapBindings(): ClusterRoleBinding[] {
  return BINDINGS.map((plan) => ({
    apiVersion: RBAC_API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: meta(plan.name),
    ...whoAndWhat(plan),
  }));
}

/** Every RoleBinding of the start, for namespaces that exist from the start. Fresh objects at each call. */
export function bootstrapRoleBindings(): RoleBinding[] {
  return NAMESPACED_BINDINGS.map((plan) => ({
    apiVersion: RBAC_API_VERSION,
    kind: 'RoleBinding',
    metadata: meta(plan.name, { namespace: plan.namespace }),
    ...whoAndWhat(plan),
  }));
}

function whoAndWhat({ role, subjects }: BindingPlan) {
  return {
    subjects: subjects.map((subject) => ({ ...subject, apiGroup: RBAC_GROUP })),
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: role },
  };
}
