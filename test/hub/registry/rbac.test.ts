import assert from 'node:assert/strict';
import test from 'node:test';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Role } from '#protocol/rbac/v1/role.js';
import { apiError } from '#test/helpers/api-error.js';
import { settle } from '#test/helpers/fake-clock.js';
import { clusterRoleBinding, role, roleBinding } from '#test/helpers/objects.js';
import { asNew, type TestRegistry, testRegistry } from '#test/helpers/registry.js';

const RBAC = 'rbac.authorization.k8s.io';
const ALICE = { username: 'alice', groups: ['system:authenticated'] };
const READ_PODS = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };

/** Alice may write roles and bindings in `default`, and read pods there. */
async function withAlice(): Promise<TestRegistry> {
  const hub = await testRegistry();
  const writeRoles = { apiGroups: [RBAC], resources: ['roles', 'rolebindings'], verbs: ['create', 'update'] };
  await hub.create('roles', role({ metadata: { name: 'alice' }, rules: [READ_PODS, writeRoles] }), RBAC);
  const subjects = [{ kind: 'User', apiGroup: RBAC, name: 'alice' }];
  const roleRef = { apiGroup: RBAC, kind: 'Role', name: 'alice' };
  await hub.create('rolebindings', roleBinding({ metadata: { name: 'alice' }, subjects, roleRef }), RBAC);
  await settle();
  return hub;
}

const asAlice = (hub: TestRegistry) => hub.scope('default', { user: ALICE });

test('nobody writes rules into a role that they do not hold', async () => {
  await using hub = await withAlice();
  const roles = hub.storage('roles', RBAC);
  await roles.create(asAlice(hub), asNew(role({ metadata: { name: 'fine' }, rules: [READ_PODS] })));
  const more = [{ ...READ_PODS, verbs: ['get', 'delete'] }];
  await assert.rejects(
    roles.create(asAlice(hub), asNew(role({ metadata: { name: 'more' }, rules: more }))),
    apiError(
      403,
      'Forbidden',
      'roles.rbac.authorization.k8s.io "more" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
    ),
  );
  const widen = (current: Readonly<KubernetesObject>) => ({ ...(current as Role), rules: more });
  await assert.rejects(
    roles.update(asAlice(hub), 'fine', '', widen),
    apiError(403, 'Forbidden', /attempting to grant/),
  );
  await roles.update(hub.scope('default'), 'fine', '', widen);
});

test('nobody binds a role whose rules they do not hold, and a missing role is named', async () => {
  await using hub = await withAlice();
  const bindings = hub.storage('rolebindings', RBAC);
  const binding = (kind: string, name: string) =>
    asNew(
      roleBinding({
        metadata: { name: `b-${name.replaceAll(':', '-')}` },
        subjects: [{ kind: 'User', apiGroup: RBAC, name: 'bob' }],
        roleRef: { apiGroup: RBAC, kind, name },
      }),
    );
  await bindings.create(asAlice(hub), binding('Role', 'alice'));
  await assert.rejects(
    bindings.create(asAlice(hub), binding('ClusterRole', 'cluster-admin')),
    apiError(403, 'Forbidden', /attempting to grant RBAC permissions not currently held/),
  );
  await assert.rejects(
    bindings.create(asAlice(hub), binding('ClusterRole', 'missing')),
    apiError(404, 'NotFound', 'clusterroles.rbac.authorization.k8s.io "missing" not found'),
  );
});

test('the role of a binding never changes', async () => {
  await using hub = await testRegistry();
  const roleRef = { apiGroup: RBAC, kind: 'ClusterRole', name: 'view' };
  await hub.create('clusterrolebindings', clusterRoleBinding({ metadata: { name: 'b' }, roleRef }), RBAC);
  await assert.rejects(
    hub.storage('clusterrolebindings', RBAC).update(hub.scope(), 'b', '', (current) => {
      return { ...current, roleRef: { ...roleRef, name: 'edit' } } as KubernetesObject;
    }),
    apiError(422, 'Invalid', /roleRef: Invalid value: .*: cannot change roleRef/),
  );
});
