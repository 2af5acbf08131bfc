import assert from 'node:assert/strict';
import test from 'node:test';
import { StorageFeed } from '#hub/registry/storage-feed.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import { settle } from '#test/helpers/fake-clock.js';
import { configMap } from '#test/helpers/objects.js';
import { deleteOptions, testRegistry } from '#test/helpers/registry.js';

test('a feed follows its resource, and finds what it missed after its watch has expired', async () => {
  await using hub = await testRegistry({ defaultAccount: false });
  const maps = hub.storage('configmaps');
  await hub.create('configmaps', configMap({ metadata: { name: 'a' } }));
  const state = new Set<string>();
  let watches = 0;
  let fail: (error: unknown) => void = () => undefined;
  const storage = Object.assign(Object.create(maps), {
    list: maps.list.bind(maps),
    watch(...args: Parameters<typeof maps.watch>) {
      watches += 1;
      if (watches > 1) return maps.watch(...args);
      const never = new Promise<never>((_resolve, reject) => {
        fail = reject;
      });
      return { [Symbol.asyncIterator]: () => ({ next: () => never }) };
    },
  });
  await using _feed = await StorageFeed.start({
    storage,
    sink: {
      apply: ({ metadata }) => void state.add(metadata.name),
      remove: ({ metadata }) => void state.delete(metadata.name),
    },
    clock: hub.clock,
    random: () => 0,
    logger: silentLogger,
  });
  assert.deepEqual([...state], ['a']);
  await hub.create('configmaps', configMap({ metadata: { name: 'b' } }));
  await maps.delete(hub.scope('default'), 'a', deleteOptions());
  assert.deepEqual([...state], ['a'], 'the watch says nothing');
  fail(ApiError.expired('too old'));
  await hub.clock.advance(1000);
  assert.deepEqual([...state], ['b']);
  await hub.create('configmaps', configMap({ metadata: { name: 'c' } }));
  await settle();
  assert.deepEqual([...state], ['b', 'c']);
});
