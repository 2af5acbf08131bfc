import assert from 'node:assert/strict';
import test from 'node:test';
import type { Attributes, Decision } from '#hub/authz/authorizer.js';
import { forbiddenError, superuserAuthorizer, unionAuthorizer } from '#hub/authz/authorizer.js';
import { bootstrapBindings, bootstrapRoles } from '#hub/authz/bootstrap-policy.js';
import { rbacAuthorizer, rulesFor } from '#hub/authz/rbac.js';
import { RbacIndex, type RbacObject } from '#hub/authz/rbac-index.js';
import { formatRule, uncovered } from '#hub/authz/rules.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { PolicyRule, RoleRef, Subject } from '#protocol/rbac/v1/policy-rule.js';
import { clusterRole, clusterRoleBinding, role, roleBinding } from '#test/helpers/objects.js';

const RBAC = 'rbac.authorization.k8s.io';
const ref = (kind: string, name: string): RoleRef => ({ apiGroup: RBAC, kind, name });
const user = (username: string, ...groups: string[]): UserInfo => ({ username, groups });

function ask(
  who: UserInfo,
  verb: string,
  what: string,
  where: { namespace?: string; name?: string; group?: string } = {},
): Attributes {
  if (what.startsWith('/')) return { kind: 'path', user: who, verb, path: what };
  const [resource = '', subresource = ''] = what.split('/');
  const { namespace = '', name = '', group = '' } = where;
  return { kind: 'resource', user: who, verb, group, version: 'v1', resource, subresource, namespace, name };
}

function indexOf(...objects: RbacObject[]): RbacIndex {
  const index = new RbacIndex();
  for (const object of objects) index.apply(object);
  return index;
}

const named = (name: string, namespace?: string) => ({
  metadata: { name, ...(namespace ? { namespace } : {}) },
});
const subjects = (...names: string[]): Subject[] =>
  names.map((name) => {
    const [kind = '', rest = ''] = name.split('=');
    if (kind === 'sa') {
      const [namespace = '', account = ''] = rest.split('/');
      return { kind: 'ServiceAccount', name: account, namespace };
    }
    return { kind: kind === 'group' ? 'Group' : 'User', apiGroup: RBAC, name: rest };
  });

test('rules of roles and cluster roles, by binding and place', () => {
  const index = indexOf(
    role({
      ...named('reader', 'a'),
      rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }],
    }),
    clusterRole({
      ...named('scaler'),
      rules: [{ apiGroups: ['apps'], resources: ['*/scale'], verbs: ['*'] }],
    }),
    clusterRole({
      ...named('one'),
      rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['s'], verbs: ['get', 'list'] }],
    }),
    clusterRole({ ...named('urls'), rules: [{ nonResourceURLs: ['/metrics', '/logs/*'], verbs: ['get'] }] }),
    roleBinding({
      ...named('r', 'a'),
      subjects: subjects('user=u', 'group=g', 'sa=x/bot'),
      roleRef: ref('Role', 'reader'),
    }),
    roleBinding({ ...named('s', 'a'), subjects: subjects('user=u'), roleRef: ref('ClusterRole', 'scaler') }),
    clusterRoleBinding({ ...named('o'), subjects: subjects('user=u'), roleRef: ref('ClusterRole', 'one') }),
    clusterRoleBinding({ ...named('n'), subjects: subjects('group=g'), roleRef: ref('ClusterRole', 'urls') }),
    clusterRoleBinding({
      ...named('m'),
      subjects: subjects('user=u'),
      roleRef: ref('ClusterRole', 'missing'),
    }),
  );
  const u = user('u');
  const g = user('other', 'g');
  const bot = user('system:serviceaccount:x:bot');
  const cases: ReadonlyArray<readonly [Attributes, Decision]> = [
    [ask(u, 'get', 'pods', { namespace: 'a' }), 'Allow'],
    [ask(u, 'get', 'pods/log', { namespace: 'a' }), 'Allow'],
    [ask(u, 'get', 'pods/exec', { namespace: 'a' }), 'NoOpinion'],
    [ask(u, 'get', 'pods', { namespace: 'b' }), 'NoOpinion'],
    [ask(u, 'list', 'pods'), 'NoOpinion'],
    [ask(u, 'delete', 'pods', { namespace: 'a' }), 'NoOpinion'],
    [ask(u, 'get', 'pods', { namespace: 'a', group: 'apps' }), 'NoOpinion'],
    [ask(g, 'get', 'pods', { namespace: 'a' }), 'Allow'],
    [ask(bot, 'list', 'pods', { namespace: 'a' }), 'Allow'],
    [ask(user('bot'), 'list', 'pods', { namespace: 'a' }), 'NoOpinion'],
    [ask(u, 'patch', 'deployments/scale', { namespace: 'a', group: 'apps', name: 'd' }), 'Allow'],
    [ask(u, 'patch', 'deployments', { namespace: 'a', group: 'apps', name: 'd' }), 'NoOpinion'],
    [ask(u, 'patch', 'deployments/scale', { namespace: 'b', group: 'apps', name: 'd' }), 'NoOpinion'],
    [ask(u, 'get', 'secrets', { namespace: 'z', name: 's' }), 'Allow'],
    [ask(u, 'get', 'secrets', { namespace: 'z', name: 't' }), 'NoOpinion'],
    [ask(u, 'list', 'secrets', { namespace: 'z' }), 'NoOpinion'],
    [ask(g, 'get', '/metrics'), 'Allow'],
    [ask(g, 'get', '/logs/today'), 'Allow'],
    [ask(g, 'get', '/metricsx'), 'NoOpinion'],
    [ask(g, 'post', '/metrics'), 'NoOpinion'],
    [ask(u, 'get', '/metrics'), 'NoOpinion'],
  ];
  const authorizer = rbacAuthorizer(index);
  for (const [attributes, decision] of cases) {
    assert.equal(authorizer.authorize(attributes).decision, decision, JSON.stringify(attributes));
  }
});

test('a binding that changes or goes takes its grants with it', () => {
  const reader = clusterRole({
    ...named('r'),
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  });
  const binding = clusterRoleBinding({
    ...named('b'),
    subjects: subjects('user=u'),
    roleRef: ref('ClusterRole', 'r'),
  });
  const index = indexOf(reader, binding);
  const decide = (name: string) => rbacAuthorizer(index).authorize(ask(user(name), 'get', 'pods')).decision;
  assert.equal(decide('u'), 'Allow');
  const moved = { ...binding, subjects: subjects('user=v') };
  index.apply(moved);
  assert.deepEqual([decide('u'), decide('v')], ['NoOpinion', 'Allow']);
  index.remove(moved);
  assert.equal(decide('v'), 'NoOpinion');
  index.apply(binding);
  index.remove(reader);
  assert.equal(decide('u'), 'NoOpinion');
});

test('an aggregated role gathers the rules of the roles that it selects, now and later', () => {
  const [matchLabels, rules] = [
    { gather: 'yes' },
    [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  ];
  const index = indexOf(
    clusterRole({ ...named('all'), rules: [], aggregationRule: { clusterRoleSelectors: [{ matchLabels }] } }),
    clusterRoleBinding({ ...named('b'), subjects: subjects('user=u'), roleRef: ref('ClusterRole', 'all') }),
  );
  const decide = () => rbacAuthorizer(index).authorize(ask(user('u'), 'get', 'pods')).decision;
  assert.equal(decide(), 'NoOpinion');
  const part = clusterRole({ metadata: { name: 'part', labels: matchLabels }, rules });
  index.apply(part);
  assert.equal(decide(), 'Allow');
  index.remove(part);
  assert.equal(decide(), 'NoOpinion');
});

test('the bootstrap policy: who may what from the start', () => {
  const index = indexOf(...bootstrapRoles(), ...bootstrapBindings());
  index.apply(
    roleBinding({
      ...named('v', 'a'),
      subjects: subjects('user=viewer'),
      roleRef: ref('ClusterRole', 'view'),
    }),
  );
  index.apply(
    roleBinding({
      ...named('e', 'a'),
      subjects: subjects('user=editor'),
      roleRef: ref('ClusterRole', 'edit'),
    }),
  );
  index.apply(
    roleBinding({
      ...named('d', 'a'),
      subjects: subjects('user=boss'),
      roleRef: ref('ClusterRole', 'admin'),
    }),
  );
  const authorizer = unionAuthorizer([superuserAuthorizer('system:masters'), rbacAuthorizer(index)]);
  const anonymous = user('system:anonymous', 'system:unauthenticated');
  const anybody = user('x', 'system:authenticated');
  const [viewer, editor, boss] = [user('viewer'), user('editor'), user('boss')];
  const a = { namespace: 'a' };
  const cases: ReadonlyArray<readonly [Attributes, Decision]> = [
    [ask(user('root', 'system:masters'), 'delete', 'nodes', { name: 'n' }), 'Allow'],
    [ask(anonymous, 'get', '/version'), 'Allow'],
    [ask(anonymous, 'get', '/healthz'), 'Allow'],
    [ask(anonymous, 'get', '/apis'), 'NoOpinion'],
    [ask(anonymous, 'list', 'pods', a), 'NoOpinion'],
    [ask(anybody, 'get', '/apis/apps/v1'), 'Allow'],
    [ask(anybody, 'get', '/openapi/v3'), 'Allow'],
    [ask(anybody, 'create', 'selfsubjectaccessreviews', { group: 'authorization.k8s.io' }), 'Allow'],
    [ask(anybody, 'list', 'pods', a), 'NoOpinion'],
    [ask(viewer, 'list', 'pods', a), 'Allow'],
    [ask(viewer, 'get', 'pods/log', a), 'Allow'],
    [ask(viewer, 'get', 'secrets', a), 'NoOpinion'],
    [ask(viewer, 'create', 'pods/exec', a), 'NoOpinion'],
    [ask(editor, 'create', 'pods/exec', a), 'Allow'],
    [ask(editor, 'list', 'pods', a), 'Allow'],
    [ask(editor, 'get', 'secrets', a), 'Allow'],
    [ask(editor, 'create', 'roles', { ...a, group: RBAC }), 'NoOpinion'],
    [ask(boss, 'create', 'roles', { ...a, group: RBAC }), 'Allow'],
    [ask(boss, 'patch', 'deployments', { ...a, group: 'apps' }), 'Allow'],
    [ask(boss, 'patch', 'deployments', { namespace: 'b', group: 'apps' }), 'NoOpinion'],
    [ask(user('system:kube-scheduler'), 'create', 'pods/binding', a), 'Allow'],
    [ask(user('system:kube-scheduler'), 'get', 'secrets', a), 'NoOpinion'],
  ];
  for (const [attributes, decision] of cases) {
    assert.equal(authorizer.authorize(attributes).decision, decision, JSON.stringify(attributes));
  }
  assert.ok(rulesFor(index, viewer, 'a').length > 0);
  assert.equal(rulesFor(index, viewer, 'b').length, 0);
});

test('rules cover others part by part', () => {
  const pods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
  assert.deepEqual(uncovered([pods], [{ ...pods, verbs: ['get'] }]), []);
  assert.deepEqual(uncovered([pods], [{ ...pods, resourceNames: ['a'] }]), []);
  assert.deepEqual(
    uncovered([{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }], [pods, { ...pods, resources: ['*'] }]),
    [],
  );
  const missing = uncovered([{ ...pods, resourceNames: ['a'] }], [pods]);
  assert.deepEqual(missing.map(formatRule), [
    '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
    '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}',
  ]);
  assert.deepEqual(
    uncovered(
      [{ nonResourceURLs: ['/a/*'], verbs: ['get'] }],
      [{ nonResourceURLs: ['/a/b'], verbs: ['get'] }],
    ),
    [],
  );
});

test('a refusal is worded as Kubernetes words it', () => {
  const message = (attributes: Attributes, reason = '') => forbiddenError(attributes, reason).message;
  assert.equal(
    message(ask(user('x'), 'get', 'pods', { namespace: 'default', name: 'a' })),
    'pods "a" is forbidden: User "x" cannot get resource "pods" in API group "" in the namespace "default"',
  );
  assert.equal(
    message(ask(user('x'), 'list', 'deployments/scale', { group: 'apps' }), 'because'),
    'deployments.apps is forbidden: User "x" cannot list resource "deployments/scale" in API group "apps" at the cluster scope: because',
  );
  assert.equal(message(ask(user('x'), 'get', '/metrics')), 'forbidden: User "x" cannot get path "/metrics"');
});
