/**
 * What informers live on: a list at revision R and every event of a watch from R together are the list at any
 * later time, under any selector, in order, without duplicates.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { objectOf } from '#hub/registry/encode.js';
import type { RequestScope, ResourceStorage, StorageWatchEvent } from '#hub/registry/resource-storage.js';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import { isAlreadyExists, isNotFound } from '#protocol/meta/status.js';
import { settle } from '#test/helpers/fake-clock.js';
import { configMap } from '#test/helpers/objects.js';
import { asNew, deleteOptions, listOptions, testRegistry, watchOptions } from '#test/helpers/registry.js';

interface Step {
  readonly action: 'create' | 'label' | 'touch' | 'delete' | 'finalize';
  readonly name: string;
  readonly color: string;
}

const NAMES = ['a', 'b', 'c'];
const COLORS = ['red', 'green'];
const SELECTORS = [
  { labelSelector: '', fieldSelector: '' },
  { labelSelector: 'color=red', fieldSelector: '' },
  { labelSelector: 'color!=red', fieldSelector: '' },
  { labelSelector: 'color in (red,green),!none', fieldSelector: 'metadata.name!=b' },
  { labelSelector: '', fieldSelector: 'metadata.name=a' },
];

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom('create', 'label', 'touch', 'delete', 'finalize'),
  name: fc.constantFrom(...NAMES),
  color: fc.constantFrom(...COLORS),
});

/** Applies a step; one that does not fit the state (no such object, already there) does nothing. */
async function apply(
  maps: ResourceStorage,
  scope: RequestScope,
  { action, name, color }: Step,
): Promise<void> {
  const change = (fields: (current: ConfigMap) => Partial<ConfigMap>) =>
    maps.update(scope, name, '', (current) => ({ ...current, ...fields(current as ConfigMap) }) as ConfigMap);
  try {
    switch (action) {
      case 'create': {
        const finalizers = color === 'red' ? ['example.com/hold'] : [];
        await maps.create(scope, asNew(configMap({ metadata: { name, labels: { color }, finalizers } })));
        break;
      }
      case 'label':
        await change(({ metadata }) => ({ metadata: { ...metadata, labels: { color } } }));
        break;
      case 'touch':
        await change(({ data }) => ({ data: { n: `${data?.['n'] ?? ''}x` } }));
        break;
      case 'delete':
        await maps.delete(scope, name, deleteOptions());
        break;
      case 'finalize':
        await change(({ metadata }) => ({ metadata: { ...metadata, finalizers: [] } }));
        break;
    }
  } catch (error) {
    if (!isAlreadyExists(error) && !isNotFound(error)) throw error;
  }
}

async function collect(watch: AsyncIterable<readonly StorageWatchEvent[]>): Promise<StorageWatchEvent[]> {
  const events: StorageWatchEvent[] = [];
  for await (const batch of watch) events.push(...batch);
  return events;
}

/** Applies events to a listed state as an informer does, checking that each makes sense. */
function replay(state: Map<string, string>, events: readonly StorageWatchEvent[]): void {
  let last = 0;
  for (const { type, value } of events) {
    const { name, resourceVersion = '' } = objectOf(value).metadata;
    assert.ok(Number(resourceVersion) > last, 'revisions rise');
    last = Number(resourceVersion);
    if (type === 'ADDED') assert.ok(!state.has(name), `ADDED ${name}, which was there`);
    else assert.ok(state.has(name), `${type} ${name}, which was not there`);
    if (type === 'DELETED') state.delete(name);
    else state.set(name, Buffer.from(value.bytes).toString());
  }
}

test('a list and a watch from its revision are the later list, under every selector', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      fc.array(step, { maxLength: 20 }),
      async (before, after) => {
        await using hub = await testRegistry({ defaultAccount: false });
        const maps = hub.storage('configmaps');
        const scope = hub.scope('default');
        for (const each of before) await apply(maps, scope, each);
        const abort = new AbortController();
        const watchers = [];
        for (const selector of SELECTORS) {
          const list = await maps.list(scope, listOptions(selector));
          const state = new Map(
            list.items.map((value) => [objectOf(value).metadata.name, Buffer.from(value.bytes).toString()]),
          );
          const { resourceVersion } = list;
          const watch = maps.watch(
            hub.scope('default', { signal: abort.signal }),
            watchOptions({ ...selector, resourceVersion }),
          );
          watchers.push({ selector, state, reading: collect(watch) });
        }
        for (const each of after) await apply(maps, scope, each);
        await settle();
        abort.abort();
        for (const { selector, state, reading } of watchers) {
          replay(state, await reading);
          const list = await maps.list(scope, listOptions(selector));
          const expected = list.items.map((value) => Buffer.from(value.bytes).toString());
          assert.deepEqual([...state.values()].sort(), expected.sort());
        }
      },
    ),
    { numRuns: 60 },
  );
});
