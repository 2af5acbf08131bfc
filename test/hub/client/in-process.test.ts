import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { ApiError, isConflict, isForbidden, isInvalid, isNotFound } from '#protocol/meta/status.js';
import type { WatchEvent } from '#protocol/meta/watch-event.js';
import { ApiHub } from '#test/helpers/api-hub.js';

const MAPS = { group: '', version: 'v1', resource: 'configmaps' };
const ADMIN = { username: 'system:covey', groups: ['system:masters'] };

const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: newObjectMeta({ name, namespace: 'default' }),
  data,
});

test('objects go in and come out frozen and shared', async (t) => {
  const hub = await ApiHub.start(t);
  const maps = hub.api.client(ADMIN).resource<ConfigMap>(MAPS);
  const given = map('a', { x: '1' });
  const created = await maps.create(given);
  assert.ok(Object.isFrozen(created));
  assert.equal(await maps.get('a', 'default'), created);
  assert.equal((await maps.list({ namespace: 'default' })).items[0], created);
  given.data = { x: 'changed by the caller afterwards' };
  assert.equal((await maps.get('a', 'default')).data?.['x'], '1');
});

test('updates and patches pass the same rules as over HTTPS', async (t) => {
  const hub = await ApiHub.start(t);
  const maps = hub.api.client(ADMIN).resource<ConfigMap>(MAPS);
  const created = await maps.create(map('a'));
  await maps.update({ ...created, data: { x: '2' } });
  await assert.rejects(maps.update({ ...created, data: { x: '3' } }), isConflict);
  await maps.patch('a', 'default', 'merge', { data: { y: '4' } });
  const patched = await maps.patch('a', 'default', 'json', [{ op: 'remove', path: '/data/x' }]);
  assert.deepEqual(patched.data, { y: '4' });
  await assert.rejects(maps.create(map('Not A Name')), isInvalid);
  await maps.delete('a', 'default', { preconditions: { uid: created.metadata.uid } });
  await assert.rejects(maps.get('a', 'default'), isNotFound);
});

test('each identity has its own rights', async (t) => {
  const hub = await ApiHub.start(t);
  const admin = hub.api.client(ADMIN);
  await assert.rejects(admin.as('joe', []).resource(MAPS).get('a', 'default'), isForbidden);
  await assert.rejects(hub.api.client({ username: 'joe', groups: [] }).resource(MAPS).list(), isForbidden);
});

test('subresources take their own bodies', async (t) => {
  const hub = await ApiHub.start(t);
  const client = hub.api.client(ADMIN);
  const accounts = client.resource({ group: '', version: 'v1', resource: 'serviceaccounts' });
  await accounts.create({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: newObjectMeta({ name: 'default', namespace: 'default' }),
  });
  const token = await accounts.createSubresource('token', 'default', 'default', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: newObjectMeta({}),
  });
  assert.equal(typeof (token as unknown as { status: { token: string } }).status.token, 'string');
});

test('a watch delivers objects, ends with its signal and leaves nothing behind', async (t) => {
  const hub = await ApiHub.start(t);
  const maps = hub.api.client(ADMIN).resource<ConfigMap>(MAPS);
  const { resourceVersion } = await maps.list();
  const stop = new AbortController();
  const events: Array<WatchEvent<ConfigMap>> = [];
  const watching = (async () => {
    for await (const batch of maps.watch({ resourceVersion, signal: stop.signal, labelSelector: 'a=b' })) {
      events.push(...batch);
      if (events.length >= 2) stop.abort();
    }
  })();
  await maps.create(map('other'));
  await maps.create({
    ...map('a'),
    metadata: newObjectMeta({ name: 'a', namespace: 'default', labels: { a: 'b' } }),
  });
  await maps.delete('a', 'default');
  await watching;
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'DELETED'],
  );
});

test('a watch from a forgotten revision ends with an ERROR event', async (t) => {
  const hub = await ApiHub.start(t);
  const maps = hub.api.client(ADMIN).resource<ConfigMap>(MAPS);
  await maps.create(map('a'));
  await maps.create(map('b'));
  await hub.store.compact(hub.store.revision);
  const events: Array<WatchEvent<ConfigMap>> = [];
  const signal = new AbortController().signal;
  for await (const batch of maps.watch({ resourceVersion: '2', signal })) events.push(...batch);
  assert.equal(events[0]?.type, 'ERROR');
  assert.equal((events[0]?.object as { code?: number } | undefined)?.code, 410);
});

test('what is refused before a watch begins is thrown', async (t) => {
  const hub = await ApiHub.start(t);
  const maps = hub.api.client({ username: 'joe', groups: [] }).resource<ConfigMap>(MAPS);
  const watch = maps.watch({ resourceVersion: '1', signal: new AbortController().signal });
  await assert.rejects(
    async () => {
      for await (const _ of watch) assert.fail('nothing may come');
    },
    (error) => error instanceof ApiError && error.code === 403,
  );
});
