/** The part of the store contract that is about lists, compaction and time to live. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Store } from '#hub/store/store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { encoder, eventsSince, failsWith, line, readUntil } from '../helpers/store-values.js';
import type { StoreFactory } from './store-suite.js';

export function listSuite(open: StoreFactory): void {
  const keysOf = async (store: Store, options: Parameters<Store['list']>[0]) =>
    (await store.list(options)).entries.map((entry) => entry.key);

  it('lists the keys of a prefix in order, and nothing else', async (t) => {
    const store = await open(t, new FakeClock());
    for (const key of ['b/2', 'a/1', 'b/10', 'b/1', 'c', 'b']) await store.create(key, encoder(key));
    assert.deepEqual(await keysOf(store, { prefix: 'b/' }), ['b/1', 'b/10', 'b/2']);
    assert.deepEqual(await keysOf(store, { prefix: 'b' }), ['b', 'b/1', 'b/10', 'b/2']);
    assert.deepEqual(await keysOf(store, { prefix: 'd' }), []);
  });

  it('pages with after and limit, and counts what remains', async (t) => {
    const store = await open(t, new FakeClock());
    await Promise.all(Array.from({ length: 7 }, (_, i) => store.create(`a/${i}`, encoder(`${i}`))));
    await store.create('b/0', encoder('b'));
    const first = await store.list({ prefix: 'a/', limit: 3 });
    assert.deepEqual([first.entries.map((entry) => entry.key), first.remaining], [['a/0', 'a/1', 'a/2'], 4]);
    const last = await store.list({ prefix: 'a/', after: 'a/4', limit: 3 });
    assert.deepEqual([last.entries.map((entry) => entry.key), last.remaining], [['a/5', 'a/6'], 0]);
  });

  it('keeps the pages of a list on one snapshot while the store changes', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 6; i++) await store.create(`a/${i}`, encoder(`old ${i}`));
    const first = await store.list({ prefix: 'a/', limit: 2 });
    await store.delete('a/2', encoder('gone'), 3);
    await store.update('a/3', encoder('new'), 4);
    await store.create('a/25', encoder('added'));
    await store.update('a/3', encoder('newer'), 8);
    const { revision } = first;
    const second = await store.list({ prefix: 'a/', after: 'a/1', limit: 3, revision });
    assert.equal(second.revision, 6);
    assert.equal(second.remaining, 1);
    assert.deepEqual(
      second.entries.map((entry) => [entry.key, entry.modRevision, entry.createRevision]),
      [
        ['a/2', 3, 3],
        ['a/3', 4, 4],
        ['a/4', 5, 5],
      ],
    );
    assert.match(JSON.stringify(second.entries[1]?.value.object), /old 3/);
    assert.deepEqual(await keysOf(store, { prefix: 'a/', after: 'a/4', revision }), ['a/5']);
  });

  it('lists every past revision since the floor as it was', async (t) => {
    const store = await open(t, new FakeClock());
    const history: string[][] = [[]];
    const snapshot = async () => history.push(await keysOf(store, { prefix: '' }));
    for (const key of ['x', 'y', 'z']) {
      await store.create(key, encoder(key));
      await snapshot();
    }
    await store.delete('y', encoder('y'), 2);
    await snapshot();
    await store.create('y', encoder('y'));
    await snapshot();
    for (const [revision, keys] of history.entries()) {
      assert.deepEqual(await keysOf(store, { prefix: '', revision }), keys, `at ${revision}`);
    }
  });

  it('refuses a revision that is not reached', async (t) => {
    const store = await open(t, new FakeClock());
    await assert.rejects(store.list({ prefix: '', revision: 1 }), failsWith('FUTURE_REVISION'));
  });

  it('refuses a revision that is compacted, and tells the floor', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 3; i++) await store.create(`${i}`, encoder(`${i}`));
    await store.compact(2);
    await assert.rejects(store.list({ prefix: '', revision: 1 }), failsWith('EXPIRED', 2));
    assert.deepEqual(await keysOf(store, { prefix: '', revision: 2 }), ['0', '1']);
  });
}

export function compactionSuite(open: StoreFactory): void {
  it('keeps current values and history above the floor', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('a', encoder('a'));
    await store.create('b', encoder('b'));
    await store.update('a', encoder('a'), 1);
    await store.delete('b', encoder('b'), 2);
    await store.compact(3);
    assert.equal(store.compactedRevision, 3);
    assert.equal(store.revision, 4);
    assert.equal((await store.get('a'))?.modRevision, 3);
    const past = await store.list({ prefix: '', revision: 3 });
    assert.deepEqual(
      past.entries.map((entry) => entry.key),
      ['a', 'b'],
    );
    const [event] = await eventsSince(store, 3);
    assert.equal(event?.previous?.bytes.length, past.entries[1]?.value.bytes.length);
  });

  it('is idempotent, never lowers the floor, and refuses a revision that is not reached', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 4; i++) await store.create(`${i}`, encoder(`${i}`));
    await store.compact(4);
    await store.compact(4);
    await store.compact(2);
    assert.equal(store.compactedRevision, 4);
    await assert.rejects(store.compact(5), failsWith('FUTURE_REVISION'));
  });

  it('ends a watcher that it overtakes, and leaves one that is up to date', async (t) => {
    const store = await open(t, new FakeClock());
    for (let i = 0; i < 3; i++) await store.create(`${i}`, encoder(`${i}`));
    const stop = new AbortController();
    const behind = store.watch({ prefix: '', fromRevision: 1, signal: stop.signal });
    const current = store.watch({ prefix: '', fromRevision: 3, signal: stop.signal });
    await store.compact(3);
    await assert.rejects(readUntil(behind, 3), failsWith('EXPIRED'));
    await store.create('new', encoder('new'));
    assert.deepEqual((await readUntil(current, 4)).map(line), ['4 created new']);
    stop.abort();
  });
}

export function ttlSuite(open: StoreFactory): void {
  it('deletes a key after its time, as a write of its own with a tombstone', async (t) => {
    const clock = new FakeClock();
    const store = await open(t, clock);
    await store.create('a', encoder('a'), { ttlMs: 60_000 });
    await store.create('b', encoder('b'));
    const stop = new AbortController();
    const watch = store.watch({ prefix: '', fromRevision: 2, signal: stop.signal });
    await clock.advance(59_000);
    assert.equal(store.revision, 2);
    await clock.advance(1000);
    const [event] = await readUntil(watch, 3);
    assert.ok(event);
    assert.equal(line(event), '3 deleted a');
    assert.deepEqual(event.value.object['metadata'], { name: 'a', resourceVersion: '3' });
    assert.equal(await store.get('a'), undefined);
    assert.equal((await store.get('b'))?.modRevision, 2);
    stop.abort();
  });

  it('keeps the time of a key through updates', async (t) => {
    const clock = new FakeClock();
    const store = await open(t, clock);
    await store.create('a', encoder('a'), { ttlMs: 1000 });
    await clock.advance(900);
    await store.update('a', encoder('b'), 1);
    const gone = eventsAfter(store, 2);
    await clock.advance(100);
    assert.equal((await gone)[0]?.type, 'deleted');
  });

  it('spares a key that was deleted and made again without one', async (t) => {
    const clock = new FakeClock();
    const store = await open(t, clock);
    await store.create('a', encoder('a'), { ttlMs: 1000 });
    await store.delete('a', encoder('a'), 1);
    await store.create('a', encoder('a'));
    await store.create('b', encoder('b'), { ttlMs: 2000 });
    const gone = eventsAfter(store, 4);
    await clock.advance(5000);
    assert.deepEqual((await gone).map(line), ['5 deleted b']);
    assert.equal((await store.get('a'))?.modRevision, 3);
  });
}

/** The first events after `revision`, which is the current one. */
async function eventsAfter(store: Store, revision: number) {
  const stop = new AbortController();
  const events = await readUntil(
    store.watch({ prefix: '', fromRevision: revision, signal: stop.signal }),
    revision + 1,
  );
  stop.abort();
  return events;
}
