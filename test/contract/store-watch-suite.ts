/** The part of the store contract that is about watches. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '../helpers/fake-clock.js';
import { encoder, eventsSince, failsWith, line, readUntil } from '../helpers/store-values.js';
import type { StoreFactory } from './store-suite.js';

export function watchSuite(open: StoreFactory): void {
  it('delivers every change after the revision once, in order, with the value before it', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('a', encoder('a1'));
    await store.update('a', encoder('a2'), 1);
    await store.delete('a', encoder('a2'), 2);
    await store.create('a', encoder('a3'));
    const events = await eventsSince(store, 0);
    assert.deepEqual(events.map(line), ['1 created a', '2 updated a', '3 deleted a', '4 created a']);
    const name = (object: unknown) => (object as { metadata: { name: string } } | undefined)?.metadata.name;
    assert.deepEqual(
      events.map((event) => [name(event.previous?.object), name(event.value.object)]),
      [
        [undefined, 'a1'],
        ['a1', 'a2'],
        ['a2', 'a2'],
        [undefined, 'a3'],
      ],
    );
    assert.match(JSON.stringify(events[2]?.value.object), /"resourceVersion":"3"/);
    assert.deepEqual((await eventsSince(store, 2)).map(line), ['3 deleted a', '4 created a']);
  });

  it('delivers changes of its prefix only', async (t) => {
    const store = await open(t, new FakeClock());
    const signal = AbortSignal.timeout(10_000);
    const watch = store.watch({ prefix: 'a/', fromRevision: 0, signal });
    await Promise.all(['a/1', 'b/1', 'a/2', 'a'].map((key) => store.create(key, encoder(key))));
    assert.deepEqual(
      (await readUntil(watch, 3)).map((event) => event.key),
      ['a/1', 'a/2'],
    );
  });

  it('goes from history to live without losing or repeating a change', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 50; i++) await store.create(`h${i}`, encoder('h'));
    const stop = new AbortController();
    const watch = store.watch({ prefix: '', fromRevision: 10, signal: stop.signal });
    const writing = (async () => {
      for (let i = 0; i < 100; i++) await store.create(`l${i}`, encoder('l'));
    })();
    const events = await readUntil(watch, 150);
    await writing;
    stop.abort();
    assert.deepEqual(
      events.map((event) => event.revision),
      Array.from({ length: 140 }, (_, i) => i + 11),
    );
  });

  it('takes part in every commit from the call on, also before the first read', async (t) => {
    const store = await open(t, new FakeClock());
    const stop = new AbortController();
    const watch = store.watch({ prefix: '', fromRevision: 0, signal: stop.signal });
    await store.create('a', encoder('a'));
    assert.deepEqual((await readUntil(watch, 1)).map(line), ['1 created a']);
    stop.abort();
  });

  it('shares one event object and its value among watchers', async (t) => {
    const store = await open(t, new FakeClock());
    const { signal } = new AbortController();
    const watches = [1, 2].map(() => store.watch({ prefix: 'a', fromRevision: 0, signal }));
    const entry = await store.create('a', encoder('a'));
    const [one, two] = await Promise.all(watches.map((watch) => readUntil(watch, 1)));
    assert.equal(one?.[0]?.value, entry.value);
    assert.equal(two?.[0]?.value, entry.value);
  });

  it('ends without an error when its signal aborts, waiting or not', async (t) => {
    const store = await open(t, new FakeClock());
    const stop = new AbortController();
    const iterator = store
      .watch({ prefix: '', fromRevision: 0, signal: stop.signal })
      [Symbol.asyncIterator]();
    const waiting = iterator.next();
    stop.abort();
    assert.equal((await waiting).done, true);
    assert.equal((await iterator.next()).done, true);
    for await (const _ of store.watch({ prefix: '', fromRevision: 0, signal: AbortSignal.abort() }))
      assert.fail();
  });

  it('cuts a slow watcher off by name, and does not block the writer or other watchers', async (t) => {
    const store = await open(t, new FakeClock());
    const stop = new AbortController();
    const slow = store.watch({ prefix: 'a/', fromRevision: 0, signal: stop.signal, maxPending: 5 });
    const quick = store.watch({ prefix: 'a/', fromRevision: 0, signal: stop.signal });
    for (let i = 0; i < 6; i++) await store.create(`a/${i}`, encoder('a'));
    assert.equal((await readUntil(quick, 6)).length, 6);
    await assert.rejects(readUntil(slow, 6), (error) => {
      failsWith('SLOW_WATCHER')(error);
      assert.match(String(error), /"a\/"/);
      return true;
    });
    stop.abort();
  });

  it('delivers to a watcher that keeps within its bound', async (t) => {
    const store = await open(t, new FakeClock());
    const stop = new AbortController();
    const watch = store.watch({ prefix: '', fromRevision: 0, signal: stop.signal, maxPending: 5 });
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5; i++) await store.create(`${round}/${i}`, encoder('a'));
      assert.equal((await readUntil(watch, round * 5 + 5)).length, 5);
    }
    stop.abort();
  });

  it('fails from a compacted revision with the floor, and works from the floor itself', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 5; i++) await store.create(`${i}`, encoder(`${i}`));
    await store.compact(3);
    await assert.rejects(eventsSince(store, 2), failsWith('EXPIRED', 3));
    assert.deepEqual((await eventsSince(store, 3)).map(line), ['4 created 3', '5 created 4']);
  });

  it('fails from a revision that was never handed out', async (t) => {
    const store = await open(t, new FakeClock());
    const watch = store.watch({ prefix: '', fromRevision: 7, signal: AbortSignal.timeout(5000) });
    await assert.rejects(readUntil(watch, 8), failsWith('FUTURE_REVISION'));
  });

  it('tells an idle watcher how far the store is, so that it can resume after compaction', async (t) => {
    const clock = new FakeClock();
    const store = await open(t, clock);
    const stop = new AbortController();
    const next = store
      .watch({ prefix: 'quiet/', fromRevision: 0, signal: stop.signal })
      [Symbol.asyncIterator]()
      .next();
    await store.create('loud', encoder('a'));
    await clock.advance(10_000);
    const { value } = await next;
    assert.deepEqual([value?.events, value?.revision], [[], 1]);
    stop.abort();
  });
}
