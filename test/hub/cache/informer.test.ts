/** Informers keep up with a changing, failing and forgetting server, and tell handlers what changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import type { Informer } from '#hub/cache/types.js';
import type { ResourceId } from '#hub/client/client.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { type KubernetesObject, newObjectMeta, objectKey } from '#protocol/meta/object-meta.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock, settle } from '#test/helpers/fake-clock.js';

const THINGS: ResourceId = { group: '', version: 'v1', resource: 'things' };

interface Thing extends KubernetesObject {
  color: string;
}

function thing(name: string, color = 'red'): Thing {
  return { apiVersion: 'v1', kind: 'Thing', metadata: newObjectMeta({ name, namespace: 'n' }), color };
}

function setUp() {
  const client = new FakeClient();
  const clock = new FakeClock();
  const factory = createInformerFactory(client, clock, silentLogger, () => 0.5);
  const seen: string[] = [];
  const record = (informer: Informer<Thing>) =>
    informer.subscribe({
      added: (object) => seen.push(`+${object.metadata.name}:${object.color}`),
      updated: (before, object) => seen.push(`~${object.metadata.name}:${before.color}>${object.color}`),
      deleted: (object) => seen.push(`-${object.metadata.name}`),
    });
  return { client, clock, factory, seen, record };
}

test('handlers see what is cached, then every change in order', async () => {
  const { client, factory, seen, record } = setUp();
  client.put(THINGS, thing('a'));
  const informer = factory.informer<Thing>(THINGS);
  await informer.synced();
  record(informer);
  client.put(THINGS, thing('b'));
  client.put(THINGS, thing('a', 'blue'));
  client.remove(THINGS, 'n/b');
  await settle();
  assert.deepEqual(seen, ['+a:red', '+b:red', '~a:red>blue', '-b']);
  assert.equal(informer.size, 1);
  await factory[Symbol.asyncDispose]();
});

test('the cache holds the very objects that the API delivered', async () => {
  const { client, factory } = setUp();
  const stored = client.put(THINGS, thing('a'));
  const informer = factory.informer<Thing>(THINGS);
  await informer.synced();
  assert.equal(informer.get('n/a'), stored);
  await factory[Symbol.asyncDispose]();
});

test('a dropped watch resumes where it was, without a list', async () => {
  const { client, clock, factory, seen, record } = setUp();
  const informer = factory.informer<Thing>(THINGS);
  record(informer);
  await informer.synced();
  await settle();
  let lists = 0;
  client.before = ({ verb }) => {
    if (verb === 'list') lists++;
  };
  client.dropWatches();
  client.put(THINGS, thing('a'));
  await clock.advance(1_000);
  assert.deepEqual(seen, ['+a:red']);
  assert.equal(lists, 0);
  await factory[Symbol.asyncDispose]();
});

test('an expired revision is listed anew and only differences are told', async () => {
  const { client, clock, factory, seen, record } = setUp();
  client.put(THINGS, thing('same'));
  client.put(THINGS, thing('gone'));
  const informer = factory.informer<Thing>(THINGS);
  await informer.synced();
  record(informer);
  seen.length = 0;
  await settle();
  let open = false;
  client.before = ({ verb }) => {
    if (verb === 'watch' && !open) throw new Error('server is away');
  };
  client.dropWatches();
  await clock.advance(1_000);
  client.remove(THINGS, 'n/gone');
  client.put(THINGS, thing('new'));
  client.expire();
  open = true;
  await clock.advance(60_000);
  assert.deepEqual(seen, ['+new:red', '-gone']);
  await factory[Symbol.asyncDispose]();
});

test('a failing list is retried until it works, ever more slowly', async () => {
  const { client, clock, factory } = setUp();
  let tries = 0;
  client.before = ({ verb }) => {
    if (verb === 'list' && ++tries <= 5) throw new Error('not yet');
  };
  const informer = factory.informer<Thing>(THINGS);
  await clock.advance(150);
  assert.equal(tries, 2);
  await clock.advance(60_000);
  assert.equal(tries, 6);
  await informer.synced();
  await factory[Symbol.asyncDispose]();
  assert.equal(clock.pendingTimers, 0);
});

test('an object that was replaced under its name is deleted and added', async () => {
  const { client, factory, seen, record } = setUp();
  client.put(THINGS, { ...thing('a'), metadata: { ...thing('a').metadata, uid: 'one' } });
  const informer = factory.informer<Thing>(THINGS);
  await informer.synced();
  record(informer);
  client.put(THINGS, { ...thing('a', 'blue'), metadata: { ...thing('a').metadata, uid: 'two' } });
  await settle();
  assert.deepEqual(seen, ['+a:red', '-a', '+a:blue']);
  await factory[Symbol.asyncDispose]();
});

test('a throwing handler does not keep others from their events', async () => {
  const { client, factory, seen, record } = setUp();
  const informer = factory.informer<Thing>(THINGS);
  informer.subscribe({
    added: () => {
      throw new Error('mine');
    },
  });
  const subscription = record(informer);
  client.put(THINGS, thing('a'));
  await informer.synced();
  await settle();
  subscription[Symbol.dispose]();
  client.put(THINGS, thing('b'));
  await settle();
  assert.deepEqual(seen, ['+a:red']);
  await factory[Symbol.asyncDispose]();
});

test('indexes follow changes, also those added late', async () => {
  const { client, factory } = setUp();
  client.put(THINGS, thing('a'));
  const informer = factory.informer<Thing>(THINGS);
  await informer.synced();
  const shared = factory.informer<Thing>(THINGS, { color: (object) => [object.color] });
  assert.equal(shared, informer);
  assert.deepEqual(informer.byIndex('color', 'red').map(objectKey), ['n/a']);
  client.put(THINGS, thing('a', 'blue'));
  await settle();
  assert.deepEqual(informer.byIndex('color', 'red'), []);
  assert.deepEqual(informer.byIndex('color', 'blue').map(objectKey), ['n/a']);
  assert.throws(() => informer.byIndex('size', '1'), /no index "size"/);
  await factory[Symbol.asyncDispose]();
});

test('waiting for the first list ends when its signal does', async () => {
  const { client, factory } = setUp();
  client.before = ({ verb }) => {
    if (verb === 'list') throw new Error('never');
  };
  const informer = factory.informer<Thing>(THINGS);
  await assert.rejects(informer.synced(AbortSignal.abort(new Error('enough'))), /enough/);
  await factory[Symbol.asyncDispose]();
});
