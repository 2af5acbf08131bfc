/** The registry on the real store: what was acknowledged is there after a restart, with its revisions. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import { openLevelStore } from '#hub/store/level-store.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { pod } from '#test/helpers/objects.js';
import { listOptions, summary, take, testRegistry, watchOptions } from '#test/helpers/registry.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('objects, revisions and watches survive a restart of the hub', async (t) => {
  const directory = join(await tempDir(t), 'store');
  const clock = new FakeClock();
  let listed = '';
  {
    await using store = await openLevelStore({ directory, clock });
    await using hub = await testRegistry({ store, clock });
    await hub.create('pods', pod({ metadata: { name: 'a' } }));
    listed = (await hub.storage('pods').list(hub.scope(), listOptions())).resourceVersion;
    await hub.create('pods', pod({ metadata: { name: 'b' } }));
    await hub.storage('pods').connect(hub.scope('default'), 'a', 'binding', {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: newObjectMeta({ name: 'a' }),
      target: { kind: 'Node', name: 'n1' },
    } as KubernetesObject);
  }
  await using store = await openLevelStore({ directory, clock });
  const before = store.revision;
  await using hub = await testRegistry({ store, clock, defaultAccount: false });
  assert.equal(store.revision, before, 'a second bootstrap writes nothing');
  const pods = hub.storage('pods');
  const bound = objectOf<Pod>(await pods.get(hub.scope('default'), 'a'));
  assert.equal(bound.spec.nodeName, 'n1');
  assert.ok(Object.isFrozen(bound.spec));
  const watch = pods.watch(hub.scope(), watchOptions({ resourceVersion: listed }))[Symbol.asyncIterator]();
  assert.deepEqual(summary(await take(watch, 2)), ['ADDED b', 'MODIFIED a']);
  await watch.return?.();
});

test('writers at once each get their own revision and all are listed', async (t) => {
  const clock = new FakeClock();
  await using store = await openLevelStore({ directory: join(await tempDir(t), 'store'), clock });
  await using hub = await testRegistry({ store, clock });
  const created = await Promise.all(
    Array.from({ length: 200 }, (_, index) => hub.create('pods', pod({ metadata: { name: `p${index}` } }))),
  );
  assert.equal(new Set(created.map(({ metadata }) => metadata.resourceVersion)).size, 200);
  const list = await hub.storage('pods').list(hub.scope('default'), listOptions());
  assert.equal(list.items.length, 200);
});
