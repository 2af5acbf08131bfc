/**
 * The catalogue of kinds: everything that the API needs to know of one, in one place. Router, discovery, OpenAPI,
 * tables, registry and clients are derived from it; adding a kind begins here.
 */
import { deploymentSchema } from './apps/v1/deployment.js';
import { replicaSetSchema } from './apps/v1/replica-set.js';
import { validateDeployment, validateReplicaSet, workloadDefaults } from './apps/v1/workload-validation.js';
import { selfSubjectReviewSchema } from './authentication/v1/self-subject-review.js';
import { tokenRequestSchema } from './authentication/v1/token-request.js';
import { tokenReviewSchema } from './authentication/v1/token-review.js';
import { localSubjectAccessReviewSchema } from './authorization/v1/local-subject-access-review.js';
import { selfSubjectAccessReviewSchema } from './authorization/v1/self-subject-access-review.js';
import { selfSubjectRulesReviewSchema } from './authorization/v1/self-subject-rules-review.js';
import { subjectAccessReviewSchema } from './authorization/v1/subject-access-review.js';
import { scaleSchema } from './autoscaling/v1/scale.js';
import * as columns from './columns.js';
import { leaseSchema } from './coordination/v1/lease.js';
import { validateLease } from './coordination/v1/lease-validation.js';
import { bindingSchema } from './core/v1/binding.js';
import { configMapSchema } from './core/v1/config-map.js';
import { secretDefaults } from './core/v1/data-defaults.js';
import { validateConfigMap, validateSecret } from './core/v1/data-validation.js';
import { eventSchema } from './core/v1/event.js';
import { validateEvent } from './core/v1/event-validation.js';
import { namespaceSchema } from './core/v1/namespace.js';
import { nodeSchema } from './core/v1/node.js';
import { nodeDefaults, validateNode } from './core/v1/node-validation.js';
import { podSchema } from './core/v1/pod.js';
import { podDefaults } from './core/v1/pod-defaults.js';
import { validatePod } from './core/v1/pod-validation.js';
import { secretSchema } from './core/v1/secret.js';
import { serviceAccountSchema } from './core/v1/service-account.js';
import { FLEET_KINDS } from './fleet/v1alpha1/kinds.js';
import { ALL_VERBS, CONNECT, CREATE_ONLY, type Group, kind, sub, typed, VIEW } from './kind-entry.js';
import type { KindInfo } from './kind-info.js';
import { evictionSchema } from './policy/v1/eviction.js';
import { clusterRoleSchema } from './rbac/v1/cluster-role.js';
import { clusterRoleBindingSchema } from './rbac/v1/cluster-role-binding.js';
import { bindingDefaults, validateBindingRules, validateRoleRules } from './rbac/v1/rbac-validation.js';
import { roleSchema } from './rbac/v1/role.js';
import { roleBindingSchema } from './rbac/v1/role-binding.js';

export type { Column, KindInfo, NameRule, SubresourceInfo, Verb } from './kind-info.js';

const CORE: Group = { group: '', version: 'v1' };
const APPS: Group = { group: 'apps', version: 'v1' };
const AUTHENTICATION: Group = { group: 'authentication.k8s.io', version: 'v1' };
const AUTHORIZATION: Group = { group: 'authorization.k8s.io', version: 'v1' };
const AUTOSCALING: Group = { group: 'autoscaling', version: 'v1' };
const COORDINATION: Group = { group: 'coordination.k8s.io', version: 'v1' };
const POLICY: Group = { group: 'policy', version: 'v1' };
const RBAC: Group = { group: 'rbac.authorization.k8s.io', version: 'v1' };

/** Kinds with a resource of their own, in the order of discovery. */
export const KINDS: readonly KindInfo[] = [
  kind(CORE, {
    kind: 'Binding',
    resource: 'bindings',
    schema: bindingSchema,
    verbs: CREATE_ONLY,
    description: 'Binding ties one object to another; for example, a pod is bound to a node by a scheduler.',
  }),
  kind(CORE, {
    kind: 'ConfigMap',
    resource: 'configmaps',
    shortNames: ['cm'],
    schema: configMapSchema,
    columns: columns.CONFIG_MAP_COLUMNS,
    validate: typed(validateConfigMap),
    description: 'ConfigMap holds configuration data for pods to consume.',
  }),
  kind(CORE, {
    kind: 'Event',
    resource: 'events',
    shortNames: ['ev'],
    schema: eventSchema,
    columns: columns.EVENT_COLUMNS,
    selectableFields: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
    validate: typed(validateEvent),
    description: 'Event is a report of something that happened to an object.',
  }),
  kind(CORE, {
    kind: 'Namespace',
    resource: 'namespaces',
    shortNames: ['ns'],
    namespaced: false,
    schema: namespaceSchema,
    columns: columns.NAMESPACE_COLUMNS,
    nameRule: 'label',
    verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
    subresources: [sub('finalize', CORE, 'Namespace', ['update']), sub('status', CORE, 'Namespace', VIEW)],
    selectableFields: ['status.phase', 'name'],
    description: 'Namespace provides a scope for names.',
  }),
  kind(CORE, {
    kind: 'Node',
    resource: 'nodes',
    shortNames: ['no'],
    namespaced: false,
    schema: nodeSchema,
    columns: columns.NODE_COLUMNS,
    subresources: [sub('status', CORE, 'Node', VIEW)],
    selectableFields: ['spec.unschedulable'],
    applyDefaults: typed(nodeDefaults),
    validate: typed(validateNode),
    description: 'Node is a device of the fleet on which pods run.',
  }),
  kind(CORE, {
    kind: 'Pod',
    resource: 'pods',
    shortNames: ['po'],
    categories: ['all'],
    schema: podSchema,
    columns: columns.POD_COLUMNS,
    subresources: [
      sub('attach', CORE, 'PodAttachOptions', CONNECT),
      sub('binding', CORE, 'Binding', CREATE_ONLY),
      sub('eviction', POLICY, 'Eviction', CREATE_ONLY),
      sub('exec', CORE, 'PodExecOptions', CONNECT),
      sub('log', CORE, 'Pod', ['get']),
      sub('portforward', CORE, 'PodPortForwardOptions', CONNECT),
      sub('status', CORE, 'Pod', VIEW),
    ],
    selectableFields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.podIPs',
      'status.nominatedNodeName',
    ],
    applyDefaults: typed(podDefaults),
    validate: typed(validatePod),
    description: 'Pod is a collection of containers that run together on one device.',
  }),
  kind(CORE, {
    kind: 'Secret',
    resource: 'secrets',
    schema: secretSchema,
    columns: columns.SECRET_COLUMNS,
    selectableFields: ['type'],
    applyDefaults: typed(secretDefaults),
    validate: typed(validateSecret),
    description: 'Secret holds secret data; its values are base64 in JSON and encrypted on disk.',
  }),
  kind(CORE, {
    kind: 'ServiceAccount',
    resource: 'serviceaccounts',
    shortNames: ['sa'],
    schema: serviceAccountSchema,
    columns: columns.SERVICE_ACCOUNT_COLUMNS,
    subresources: [sub('token', AUTHENTICATION, 'TokenRequest', CREATE_ONLY)],
    description: 'ServiceAccount is an identity for processes that run in pods.',
  }),
  kind(APPS, {
    kind: 'Deployment',
    resource: 'deployments',
    shortNames: ['deploy'],
    categories: ['all'],
    schema: deploymentSchema,
    columns: columns.DEPLOYMENT_COLUMNS,
    subresources: [sub('scale', AUTOSCALING, 'Scale', VIEW), sub('status', APPS, 'Deployment', VIEW)],
    applyDefaults: typed(workloadDefaults),
    validate: typed(validateDeployment),
    description: 'Deployment enables declarative updates for pods and ReplicaSets.',
  }),
  kind(APPS, {
    kind: 'ReplicaSet',
    resource: 'replicasets',
    shortNames: ['rs'],
    categories: ['all'],
    schema: replicaSetSchema,
    columns: columns.REPLICA_SET_COLUMNS,
    subresources: [sub('scale', AUTOSCALING, 'Scale', VIEW), sub('status', APPS, 'ReplicaSet', VIEW)],
    selectableFields: ['status.replicas'],
    applyDefaults: typed(workloadDefaults),
    validate: typed(validateReplicaSet),
    description: 'ReplicaSet ensures that a number of copies of a pod is running at any time.',
  }),
  kind(AUTHENTICATION, {
    kind: 'SelfSubjectReview',
    resource: 'selfsubjectreviews',
    namespaced: false,
    verbs: CREATE_ONLY,
    schema: selfSubjectReviewSchema,
    description: 'SelfSubjectReview says who the caller is.',
  }),
  kind(AUTHENTICATION, {
    kind: 'TokenReview',
    resource: 'tokenreviews',
    namespaced: false,
    verbs: CREATE_ONLY,
    schema: tokenReviewSchema,
    description: 'TokenReview says whom a token belongs to.',
  }),
  kind(AUTHORIZATION, {
    kind: 'LocalSubjectAccessReview',
    resource: 'localsubjectaccessreviews',
    verbs: CREATE_ONLY,
    schema: localSubjectAccessReviewSchema,
    description: 'LocalSubjectAccessReview says whether a user may do something in one namespace.',
  }),
  kind(AUTHORIZATION, {
    kind: 'SelfSubjectAccessReview',
    resource: 'selfsubjectaccessreviews',
    namespaced: false,
    verbs: CREATE_ONLY,
    schema: selfSubjectAccessReviewSchema,
    description: 'SelfSubjectAccessReview says whether the caller may do something.',
  }),
  kind(AUTHORIZATION, {
    kind: 'SelfSubjectRulesReview',
    resource: 'selfsubjectrulesreviews',
    namespaced: false,
    verbs: CREATE_ONLY,
    schema: selfSubjectRulesReviewSchema,
    description: 'SelfSubjectRulesReview lists what the caller may do in a namespace.',
  }),
  kind(AUTHORIZATION, {
    kind: 'SubjectAccessReview',
    resource: 'subjectaccessreviews',
    namespaced: false,
    verbs: CREATE_ONLY,
    schema: subjectAccessReviewSchema,
    description: 'SubjectAccessReview says whether a user may do something.',
  }),
  kind(COORDINATION, {
    kind: 'Lease',
    resource: 'leases',
    schema: leaseSchema,
    columns: columns.LEASE_COLUMNS,
    validate: typed(validateLease),
    description: 'Lease says who holds something and until when.',
  }),
  kind(RBAC, {
    kind: 'ClusterRoleBinding',
    resource: 'clusterrolebindings',
    namespaced: false,
    nameRule: 'path-segment',
    schema: clusterRoleBindingSchema,
    columns: columns.BINDING_COLUMNS,
    applyDefaults: typed(bindingDefaults),
    validate: typed(validateBindingRules),
    description: 'ClusterRoleBinding gives a ClusterRole to subjects everywhere.',
  }),
  kind(RBAC, {
    kind: 'ClusterRole',
    resource: 'clusterroles',
    namespaced: false,
    nameRule: 'path-segment',
    schema: clusterRoleSchema,
    columns: columns.ROLE_COLUMNS,
    validate: typed(validateRoleRules),
    description: 'ClusterRole is a set of rules about what may be done in the whole cluster.',
  }),
  kind(RBAC, {
    kind: 'RoleBinding',
    resource: 'rolebindings',
    nameRule: 'path-segment',
    schema: roleBindingSchema,
    columns: columns.BINDING_COLUMNS,
    applyDefaults: typed(bindingDefaults),
    validate: typed(validateBindingRules),
    description: 'RoleBinding gives a role to subjects within one namespace.',
  }),
  kind(RBAC, {
    kind: 'Role',
    resource: 'roles',
    nameRule: 'path-segment',
    schema: roleSchema,
    columns: columns.ROLE_COLUMNS,
    validate: typed(validateRoleRules),
    description: 'Role is a set of rules about what may be done in one namespace.',
  }),
  ...FLEET_KINDS,
];

/** Kinds that are only bodies of subresources. */
export const SUBRESOURCE_KINDS: readonly KindInfo[] = [
  kind(AUTOSCALING, {
    kind: 'Scale',
    resource: '',
    schema: scaleSchema,
    verbs: [],
    description: 'Scale is the number of copies of a workload.',
  }),
  kind(POLICY, {
    kind: 'Eviction',
    resource: '',
    schema: evictionSchema,
    verbs: [],
    description: 'Eviction asks for a pod to be moved away.',
  }),
  kind(AUTHENTICATION, {
    kind: 'TokenRequest',
    resource: '',
    schema: tokenRequestSchema,
    verbs: [],
    description: 'TokenRequest asks for a token of a service account.',
  }),
];

const byKind = new Map(
  [...KINDS, ...SUBRESOURCE_KINDS].map(
    (info) => [`${info.group}/${info.version}/${info.kind}`, info] as const,
  ),
);
const byResource = new Map(
  KINDS.map((info) => [`${info.group}/${info.version}/${info.resource}`, info] as const),
);

/** Bodies of subresources included. Undefined: no such kind. */
export function kindByGvk(group: string, version: string, kindName: string): KindInfo | undefined {
  return byKind.get(`${group}/${version}/${kindName}`);
}

/** Undefined: no such resource. */
export function kindByGvr(group: string, version: string, resource: string): KindInfo | undefined {
  return byResource.get(`${group}/${version}/${resource}`);
}
