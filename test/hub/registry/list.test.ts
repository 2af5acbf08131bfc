import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import { ApiError } from '#protocol/meta/status.js';
import { configMap, pod, secret } from '#test/helpers/objects.js';
import { deleteOptions, listOptions, type TestRegistry, testRegistry } from '#test/helpers/registry.js';

async function withMaps(names: readonly string[]): Promise<TestRegistry> {
  const hub = await testRegistry();
  for (const name of names) await hub.create('configmaps', configMap({ metadata: { name } }));
  return hub;
}

const names = (items: ReadonlyArray<Parameters<typeof objectOf>[0]>) =>
  items.map((value) => objectOf(value).metadata.name);

test('pages stay on the snapshot of the first', async () => {
  await using hub = await withMaps(['a', 'b', 'c', 'd', 'e']);
  const maps = hub.storage('configmaps');
  const scope = hub.scope('default');
  const first = await maps.list(scope, listOptions({ limit: 2 }));
  assert.deepEqual(names(first.items), ['a', 'b']);
  assert.equal(first.remainingItemCount, 3);
  await maps.delete(scope, 'c', deleteOptions());
  await hub.create('configmaps', configMap({ metadata: { name: 'bb' } }));
  const second = await maps.list(scope, listOptions({ limit: 2, continue: first.continue }));
  assert.deepEqual(names(second.items), ['c', 'd']);
  assert.equal(second.resourceVersion, first.resourceVersion);
  const third = await maps.list(scope, listOptions({ limit: 2, continue: second.continue }));
  assert.deepEqual(names(third.items), ['e']);
  assert.equal(third.continue, '');
  assert.equal(third.remainingItemCount, undefined);
});

test('a limit with a selector counts what matches, and does not claim to know the rest', async () => {
  await using hub = await testRegistry();
  for (let index = 0; index < 9; index += 1) {
    const labels = { odd: String(index % 2 === 1) };
    await hub.create('configmaps', configMap({ metadata: { name: `m${index}`, labels } }));
  }
  const maps = hub.storage('configmaps');
  const options = listOptions({ limit: 3, labelSelector: 'odd=true' });
  const first = await maps.list(hub.scope('default'), options);
  assert.deepEqual(names(first.items), ['m1', 'm3', 'm5']);
  assert.equal(first.remainingItemCount, undefined);
  const second = await maps.list(hub.scope('default'), { ...options, continue: first.continue });
  assert.deepEqual(names(second.items), ['m7']);
});

test('a continue token whose snapshot is compacted is an exact 410 with a token to go on', async () => {
  await using hub = await withMaps(['a', 'b', 'c']);
  const maps = hub.storage('configmaps');
  const scope = hub.scope('default');
  const first = await maps.list(scope, listOptions({ limit: 1 }));
  await hub.create('configmaps', configMap({ metadata: { name: 'd' } }));
  await hub.store.compact(hub.store.revision);
  const error = await maps.list(scope, listOptions({ limit: 1, continue: first.continue })).then(
    () => assert.fail('expected a 410'),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, 410);
  assert.equal(error.reason, 'Expired');
  assert.ok(
    error.message.startsWith(
      'The provided continue parameter is too old to display a consistent list result.',
    ),
  );
  const token = error.status.metadata.continue ?? '';
  const rest = await maps.list(scope, listOptions({ continue: token }));
  assert.deepEqual(names(rest.items), ['b', 'c', 'd']);
});

test('malformed continue tokens are bad requests', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const token of [
    'garbage!',
    encode(7),
    encode(null),
    encode({ v: 'other', rv: 1, start: 'a' }),
    encode({ v: 'meta.k8s.io/v1', rv: 0, start: 'a' }),
    encode({ v: 'meta.k8s.io/v1', rv: 'x', start: 'a' }),
    encode({ v: 'meta.k8s.io/v1', rv: 1, start: '' }),
  ]) {
    await assert.rejects(
      maps.list(hub.scope('default'), listOptions({ continue: token })),
      (error: ApiError) => {
        assert.equal(error.code, 400);
        assert.match(error.message, /^continue key is not valid: /);
        return true;
      },
    );
  }
});

test('resourceVersion: exact, not older than, in the future', async () => {
  await using hub = await withMaps(['a']);
  const maps = hub.storage('configmaps');
  const scope = hub.scope('default');
  const then = String(hub.store.revision);
  await hub.create('configmaps', configMap({ metadata: { name: 'b' } }));
  const read = async (resourceVersion: string, resourceVersionMatch: '' | 'Exact' | 'NotOlderThan') =>
    names((await maps.list(scope, listOptions({ resourceVersion, resourceVersionMatch }))).items);
  assert.deepEqual(await read(then, 'Exact'), ['a']);
  assert.deepEqual(await read(then, 'NotOlderThan'), ['a', 'b']);
  assert.deepEqual(await read('0', ''), ['a', 'b']);
  const future = String(hub.store.revision + 5);
  const pending = read(future, 'NotOlderThan').catch((error: unknown) => error);
  await hub.clock.advance(3100);
  const error = await pending;
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, 504);
  assert.equal(
    error.message,
    `Timeout: Too large resource version: ${future}, current: ${hub.store.revision}`,
  );
  assert.equal(error.status.details?.causes?.[0]?.reason, 'ResourceVersionTooLarge');
});

test('contradictory list options are refused', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const refused = async (changes: Parameters<typeof listOptions>[0], message: RegExp) =>
    assert.rejects(maps.list(hub.scope('default'), listOptions(changes)), message);
  await refused(
    { resourceVersionMatch: 'Exact' },
    /resourceVersionMatch is forbidden unless resourceVersion/,
  );
  await refused(
    { resourceVersionMatch: 'Exact', resourceVersion: '0' },
    /"exact" is forbidden for resourceVersion "0"/,
  );
  await refused({ resourceVersion: 'abc' }, /Invalid resource version "abc"/);
  await refused({ fieldSelector: 'spec.nodeName=x' }, /^ApiError: field label not supported: spec.nodeName$/);
  await refused({ labelSelector: 'a in (' }, /unable to parse requirement/);
});

test('field selectors', async () => {
  await using hub = await testRegistry();
  await hub.create('pods', pod({ metadata: { name: 'free' } }));
  await hub.create('pods', pod({ metadata: { name: 'bound' }, spec: { nodeName: 'n1' } }));
  await hub.create('secrets', secret({ metadata: { name: 's1' }, type: 'example.com/x' }));
  await hub.create('secrets', secret({ metadata: { name: 's2' } }));
  const list = async (resource: string, namespace: string, fieldSelector: string) =>
    names((await hub.storage(resource).list(hub.scope(namespace), listOptions({ fieldSelector }))).items);
  assert.deepEqual(await list('pods', '', 'spec.nodeName=n1'), ['bound']);
  assert.deepEqual(await list('pods', '', 'spec.nodeName='), ['free']);
  assert.deepEqual(await list('pods', 'default', 'metadata.name=free'), ['free']);
  assert.deepEqual(await list('pods', '', 'metadata.namespace=default,metadata.name!=free'), ['bound']);
  assert.deepEqual(await list('pods', '', 'status.phase=Pending,spec.nodeName=n1'), ['bound']);
  assert.deepEqual(await list('secrets', '', 'type=example.com/x'), ['s1']);
  assert.deepEqual(await list('namespaces', '', 'status.phase=Active,metadata.name=default'), ['default']);
  assert.deepEqual(await list('namespaces', '', 'metadata.name=defaul'), []);
});
