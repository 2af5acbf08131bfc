/** Namespaces, owners, service accounts and abandoned pods on the real API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  NAMESPACES,
  NODES,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
} from '#hub/cache/resources.js';
import type { Namespace } from '#protocol/core/v1/namespace.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { ControlledHub } from '#test/helpers/controlled-hub.js';
import { configMap, deployment, namespace, node, pod, secret } from '#test/helpers/objects.js';

const bound = (name: string, on: string, given: object = {}) =>
  pod({ metadata: { name }, spec: { ...pod().spec, nodeName: on }, ...given });

test('every namespace gets its default service account, also when it is deleted', async () => {
  await using hub = await ControlledHub.start();
  const has = async (name: string) => (await hub.find(SERVICE_ACCOUNTS, 'default', name)) !== undefined;
  await hub.create(NAMESPACES, namespace({ metadata: { name: 'shop' } }));
  await hub.until('it is there', () => has('shop'));
  await hub.client.resource(SERVICE_ACCOUNTS).delete('default', 'shop');
  await hub.until('it is there again', () => has('shop'));
});

test('deleting a namespace deletes what is in it, waits for its pods, and then goes', async () => {
  await using hub = await ControlledHub.start();
  await hub.create(NAMESPACES, namespace({ metadata: { name: 'shop' } }));
  await hub.until(
    'it can take pods',
    async () => (await hub.find(SERVICE_ACCOUNTS, 'default', 'shop')) !== undefined,
  );
  await hub.create(NODES, node());
  await hub.create(CONFIG_MAPS, configMap({ metadata: { name: 'settings', namespace: 'shop' } }));
  await hub.create(PODS, pod({ metadata: { name: 'till', namespace: 'shop' } }));
  await hub.create(DEPLOYMENTS, deployment({ metadata: { name: 'web', namespace: 'shop' } }));
  await hub.until('its pods are bound', async () => {
    const pods = await hub.list<Pod>(PODS, 'shop');
    return pods.length === 4 && pods.every(({ spec }) => spec.nodeName !== undefined);
  });
  await hub.client.resource(NAMESPACES).delete('shop');
  await hub.until('only terminating pods are left', async () => {
    const pods = await hub.list<Pod>(PODS, 'shop');
    return pods.length > 0 && pods.every(({ metadata }) => metadata.deletionTimestamp !== undefined);
  });
  await hub.pass(3_000);
  const waiting = await hub.find<Namespace>(NAMESPACES, 'shop');
  assert.equal(waiting?.status.phase, 'Terminating');
  const remaining = waiting?.status.conditions?.find(({ type }) => type === 'NamespaceContentRemaining');
  assert.match(remaining?.message ?? '', /^Some resources are remaining: pods has \d resource instances$/);
  await hub.until('it is gone', async () => {
    for (const { metadata } of await hub.list(PODS, 'shop'))
      await hub.client.resource(PODS).delete(metadata.name, 'shop', { gracePeriodSeconds: 0 });
    return (await hub.find(NAMESPACES, 'shop')) === undefined;
  });
  assert.deepEqual(await hub.list(CONFIG_MAPS, 'shop'), []);
  assert.deepEqual(await hub.list(DEPLOYMENTS, 'shop'), []);
});

test('an object whose owner never existed, or exists under another uid, is collected', async () => {
  await using hub = await ControlledHub.start();
  const owner = await hub.create(CONFIG_MAPS, configMap({ metadata: { name: 'owner' } }));
  const owned = (name: string, uid: string) =>
    secret({
      metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }] },
    });
  await hub.create(SECRETS, owned('child', owner.metadata.uid));
  await hub.create(SECRETS, owned('stranger', 'some-other-uid'));
  await hub.until(
    'the stranger is gone',
    async () => (await hub.find(SECRETS, 'stranger', 'default')) === undefined,
  );
  await hub.pass(2_000);
  assert.notEqual(await hub.find(SECRETS, 'child', 'default'), undefined);
  await hub.client.resource(CONFIG_MAPS).delete('owner', 'default');
  await hub.until(
    'the child is gone',
    async () => (await hub.find(SECRETS, 'child', 'default')) === undefined,
  );
});

test('an object with one owner left lives and forgets the other', async () => {
  await using hub = await ControlledHub.start();
  const refs = [];
  for (const name of ['one', 'two']) {
    const { metadata } = await hub.create(CONFIG_MAPS, configMap({ metadata: { name } }));
    refs.push({ apiVersion: 'v1', kind: 'ConfigMap', name, uid: metadata.uid });
  }
  await hub.create(SECRETS, secret({ metadata: { name: 'shared', ownerReferences: refs } }));
  await hub.client.resource(CONFIG_MAPS).delete('one', 'default');
  await hub.until('the reference is dropped', async () => {
    const shared = await hub.find(SECRETS, 'shared', 'default');
    return (
      shared?.metadata.ownerReferences?.length === 1 && shared.metadata.ownerReferences[0]?.name === 'two'
    );
  });
});

test('an owner of an unknown kind protects its object', async () => {
  await using hub = await ControlledHub.start();
  const ownerReferences = [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }];
  await hub.create(SECRETS, secret({ metadata: { name: 'kept', ownerReferences } }));
  await hub.pass(5_000);
  assert.notEqual(await hub.find(SECRETS, 'kept', 'default'), undefined);
});

test('pods of a node that is gone for good are collected, pods of others stay', async () => {
  await using hub = await ControlledHub.start();
  for (const name of ['gone', 'here']) await hub.create(NODES, node({ metadata: { name } }));
  await hub.create(PODS, bound('lost', 'gone'));
  await hub.create(PODS, bound('kept', 'here'));
  await hub.client.resource(NODES).delete('gone');
  await hub.pass(35_000);
  assert.notEqual(
    await hub.find(PODS, 'lost', 'default'),
    undefined,
    'not before an exclusive lease is over',
  );
  await hub.until('it is collected', async () => (await hub.find(PODS, 'lost', 'default')) === undefined);
  assert.notEqual(await hub.find(PODS, 'kept', 'default'), undefined);
});
