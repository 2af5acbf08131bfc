import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { StorageWatchOptions } from '#hub/registry/resource-storage.js';
import type { ApiError } from '#protocol/meta/status.js';
import { settle } from '#test/helpers/fake-clock.js';
import { configMap } from '#test/helpers/objects.js';
import {
  deleteOptions,
  summary,
  type TestRegistry,
  take,
  testRegistry,
  watchOptions,
} from '#test/helpers/registry.js';

function open(hub: TestRegistry, changes: Partial<StorageWatchOptions> = {}) {
  return hub.storage('configmaps').watch(hub.scope('default'), watchOptions(changes))[Symbol.asyncIterator]();
}

const create = (hub: TestRegistry, name: string, labels: Record<string, string> = {}) =>
  hub.create('configmaps', configMap({ metadata: { name, labels } }));

const relabel = (hub: TestRegistry, name: string, labels: Record<string, string>) =>
  hub.storage('configmaps').update(hub.scope('default'), name, '', (current) => ({
    ...current,
    metadata: { ...current.metadata, labels },
  }));

test('without a revision a watch begins with what is there', async () => {
  await using hub = await testRegistry();
  await create(hub, 'a');
  const watch = open(hub);
  assert.deepEqual(summary(await take(watch, 1)), ['ADDED a']);
  await create(hub, 'b');
  await hub.storage('configmaps').delete(hub.scope('default'), 'a', deleteOptions());
  const events = await take(watch, 2);
  assert.deepEqual(summary(events), ['ADDED b', 'DELETED a']);
  const last = events[1];
  assert.ok(last);
  assert.equal(objectOf(last.value).metadata.resourceVersion, String(hub.store.revision));
  await watch.return?.();
});

test('from a revision a watch has exactly what came after', async () => {
  await using hub = await testRegistry();
  await create(hub, 'a');
  const from = String(hub.store.revision);
  await create(hub, 'b');
  await relabel(hub, 'a', { x: '1' });
  const watch = open(hub, { resourceVersion: from });
  assert.deepEqual(summary(await take(watch, 2)), ['ADDED b', 'MODIFIED a']);
  await watch.return?.();
});

test('objects enter and leave a selection as ADDED and DELETED', async () => {
  await using hub = await testRegistry();
  const watch = open(hub, { resourceVersion: String(hub.store.revision), labelSelector: 'in=yes' });
  await create(hub, 'a', { in: 'no' });
  await relabel(hub, 'a', { in: 'yes' });
  await relabel(hub, 'a', { in: 'yes', more: '1' });
  await relabel(hub, 'a', { in: 'no' });
  const left = String(hub.store.revision);
  await relabel(hub, 'a', { in: 'never' });
  await create(hub, 'b', { in: 'yes' });
  await hub.storage('configmaps').delete(hub.scope('default'), 'b', deleteOptions());
  const events = await take(watch, 5);
  assert.deepEqual(summary(events), ['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED b', 'DELETED b']);
  const gone = objectOf(events[2]?.value ?? assert.fail());
  assert.equal(gone.metadata.resourceVersion, left);
  assert.deepEqual(gone.metadata.labels, { in: 'yes', more: '1' });
  await watch.return?.();
});

test('initial events end with the bookmark that says so', async () => {
  await using hub = await testRegistry();
  await create(hub, 'a');
  const watch = open(hub, { sendInitialEvents: true, allowWatchBookmarks: true });
  const [added, bookmark] = await take(watch, 2);
  assert.equal(added?.type, 'ADDED');
  assert.equal(bookmark?.type, 'BOOKMARK');
  assert.deepEqual(JSON.parse(Buffer.from(bookmark?.value.bytes ?? []).toString()), {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: {
      resourceVersion: String(hub.store.revision),
      annotations: { 'k8s.io/initial-events-end': 'true' },
    },
  });
  await watch.return?.();
});

test('a bookmark tells an idle watch about a minute later how far the store is', async () => {
  await using hub = await testRegistry();
  const timers = hub.clock.pendingTimers;
  const watch = open(hub, { resourceVersion: String(hub.store.revision), allowWatchBookmarks: true });
  const reading = take(watch, 2);
  await settle();
  await create(hub, 'a');
  await hub.clock.advance(61_000);
  const events = await reading;
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'BOOKMARK'],
  );
  assert.equal(
    objectOf(events[1]?.value ?? assert.fail()).metadata.resourceVersion,
    String(hub.store.revision),
  );
  await watch.return?.();
  assert.equal(hub.clock.pendingTimers, timers);
});

test('a watch that is about to end says last of all how far the store is, changed or not', async () => {
  await using hub = await testRegistry();
  await create(hub, 'a');
  const timers = hub.clock.pendingTimers;
  const resourceVersion = String(hub.store.revision);
  const watch = open(hub, { resourceVersion, allowWatchBookmarks: true, endsAfterMs: 10_000 });
  const reading = take(watch, 1);
  await settle();
  await hub.clock.advance(7_900);
  assert.equal(await Promise.race([reading, settle().then(() => 'nothing yet')]), 'nothing yet');
  await hub.clock.advance(200);
  const [bookmark] = await reading;
  assert.equal(bookmark?.type, 'BOOKMARK');
  assert.equal(objectOf(bookmark.value).metadata.resourceVersion, resourceVersion);
  await watch.return?.();
  assert.equal(hub.clock.pendingTimers, timers);
});

test('a watch that is ended while it waits for a revision just ends', async () => {
  await using hub = await testRegistry();
  const ended = new AbortController();
  const scope = { ...hub.scope('default'), signal: ended.signal };
  const options = watchOptions({ resourceVersion: '1000' });
  const watch = hub.storage('configmaps').watch(scope, options)[Symbol.asyncIterator]();
  const next = watch.next();
  await settle();
  ended.abort(new Error('the watch is over'));
  assert.deepEqual(await next, { value: undefined, done: true });
});

test('a watch from a compacted revision is Expired', async () => {
  await using hub = await testRegistry();
  await create(hub, 'a');
  await create(hub, 'b');
  const floor = hub.store.revision;
  await hub.store.compact(floor);
  const watch = open(hub, { resourceVersion: '1' });
  await assert.rejects(watch.next(), (error: ApiError) => {
    assert.equal(error.code, 410);
    assert.equal(error.reason, 'Expired');
    assert.equal(error.message, `too old resource version: 1 (${hub.store.compactedRevision})`);
    return true;
  });
});

test('watchers with the same selection share the events', async () => {
  await using hub = await testRegistry();
  const from = { resourceVersion: String(hub.store.revision), labelSelector: 'in=yes' };
  const watches = [open(hub, from), open(hub, from)];
  await create(hub, 'a', { in: 'yes' });
  const [left, right] = await Promise.all(watches.map((watch) => take(watch, 1)));
  assert.equal(left?.[0], right?.[0]);
  for (const watch of watches) await watch.return?.();
});

test('aborting the request ends its watch without an error', async () => {
  await using hub = await testRegistry();
  const abort = new AbortController();
  const watch = hub
    .storage('configmaps')
    .watch(
      hub.scope('default', { signal: abort.signal }),
      watchOptions({ resourceVersion: String(hub.store.revision) }),
    )
    [Symbol.asyncIterator]();
  const reading = watch.next();
  await settle();
  abort.abort();
  assert.equal((await reading).done, true);
});
