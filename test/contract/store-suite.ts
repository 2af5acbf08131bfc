/**
 * The promises of hub/store/store.ts and DESIGN.md section 4, one named test each. Every implementation of
 * Store runs this suite; a factory opens an empty store on the given clock.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Encode, Store, StoreErrorCode } from '#hub/store/store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { encoder, eventsSince, line, readUntil } from '../helpers/store-values.js';

/** Opens an empty store; the factory sees to its disposal at the end of the test. */
export type StoreFactory = (t: TestContext, clock: FakeClock) => Promise<Store>;

const failsWith = (code: StoreErrorCode, revision?: number) => (error: unknown) => {
  assert.ok(error instanceof Error && error.name === 'StoreError', String(error));
  assert.equal((error as Error & { code: string }).code, code);
  if (revision !== undefined) assert.equal((error as Error & { revision?: number }).revision, revision);
  assert.ok(error.message.length > 10, 'the message says what to do');
  return true;
};

export function storeSuite(name: string, open: StoreFactory): void {
  describe(`${name}: writes`, () => writeSuite(open));
  describe(`${name}: lists`, () => listSuite(open));
  describe(`${name}: watches`, () => watchSuite(open));
  describe(`${name}: compaction`, () => compactionSuite(open));
  describe(`${name}: time to live`, () => ttlSuite(open));
  describe(`${name}: closing`, () => closeSuite(open));
}

function writeSuite(open: StoreFactory): void {
  it('starts empty at revision 0', async (t) => {
    const store = await open(t, new FakeClock());
    assert.equal(store.revision, 0);
    assert.equal(store.compactedRevision, 0);
    assert.equal(await store.get('a'), undefined);
    assert.deepEqual(await store.list({ prefix: '' }), { entries: [], remaining: 0, revision: 0 });
  });

  it('gives each write the next revision and hands it to the encoder, once', async (t) => {
    const store = await open(t, new FakeClock());
    const seen: number[] = [];
    const record: Encode = (revision) => {
      seen.push(revision);
      return encoder('x')(revision);
    };
    const created = await store.create('a', record);
    const updated = await store.update('a', record, 1);
    const deleted = await store.delete('a', record, 2);
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(
      [created, updated, deleted].map(({ createRevision, modRevision }) => [createRevision, modRevision]),
      [
        [1, 1],
        [1, 2],
        [1, 3],
      ],
    );
    assert.equal(store.revision, 3);
  });

  it('calls the encoder synchronously when the write is accepted, and not when it is refused', async (t) => {
    const store = await open(t, new FakeClock());
    let calls = 0;
    const counted: Encode = (revision) => {
      calls++;
      return encoder('a')(revision);
    };
    const write = store.create('a', counted);
    assert.equal(calls, 1);
    await write;
    await assert.rejects(store.create('a', counted), failsWith('KEY_EXISTS'));
    await assert.rejects(store.update('a', counted, 9), failsWith('CONFLICT'));
    assert.equal(calls, 1);
  });

  it('shows a write to reads that follow its acknowledgement, object and bytes as encoded', async (t) => {
    const store = await open(t, new FakeClock());
    const written = await store.create('a', encoder('one'));
    const read = await store.get('a');
    assert.equal(read?.value.object, written.value.object);
    assert.equal(read?.value.bytes, written.value.bytes);
    assert.deepEqual(JSON.parse(Buffer.from(read.value.bytes).toString()), read.value.object);
  });

  it('does not show a write before it is acknowledged', async (t) => {
    const store = await open(t, new FakeClock());
    const write = store.create('a', encoder('a'));
    assert.equal(store.revision, 0);
    assert.equal(await store.get('a'), undefined);
    await write;
    assert.equal(store.revision, 1);
  });

  it('refuses to create a key that exists', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('a', encoder('a'));
    await assert.rejects(store.create('a', encoder('b')), failsWith('KEY_EXISTS', 1));
    assert.equal(store.revision, 1);
  });

  it('refuses to update or delete at another mod revision, and tells the current one', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('a', encoder('a'));
    await store.update('a', encoder('b'), 1);
    await assert.rejects(store.update('a', encoder('c'), 1), failsWith('CONFLICT', 2));
    await assert.rejects(store.delete('a', encoder('c'), 1), failsWith('CONFLICT', 2));
    assert.equal((await store.get('a'))?.modRevision, 2);
  });

  it('refuses to update or delete a key that is gone', async (t) => {
    const store = await open(t, new FakeClock());
    await assert.rejects(store.update('a', encoder('a'), 1), failsWith('NOT_FOUND'));
    await store.create('a', encoder('a'));
    await store.delete('a', encoder('a'), 1);
    await assert.rejects(store.delete('a', encoder('a'), 1), failsWith('NOT_FOUND'));
  });

  it('gives a key that was deleted and made again a new create revision', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('a', encoder('a'));
    await store.delete('a', encoder('a'), 1);
    const again = await store.create('a', encoder('a'));
    assert.deepEqual([again.createRevision, again.modRevision], [3, 3]);
  });

  it('lets exactly one of many concurrent creators of a key win', async (t) => {
    const store = await open(t, new FakeClock());
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.create('a', encoder(`${i}`))),
    );
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    for (const result of results) if (result.status === 'rejected') failsWith('KEY_EXISTS')(result.reason);
    assert.equal(store.revision, 1);
  });

  it('loses no increment of concurrent read-modify-write loops', async (t) => {
    const store = await open(t, new FakeClock());
    await store.create('n', encoder('n', { count: 0 }));
    const increment = async () => {
      for (;;) {
        const entry = await store.get('n');
        assert.ok(entry);
        const count = (entry.value.object['count'] as number) + 1;
        try {
          await store.update('n', encoder('n', { count }), entry.modRevision);
          return;
        } catch (error) {
          failsWith('CONFLICT')(error);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, increment));
    assert.equal((await store.get('n'))?.value.object['count'], 8);
  });

  it('shows a refused writer the state that refused it', async (t) => {
    const store = await open(t, new FakeClock());
    const first = store.create('a', encoder('a'));
    await assert.rejects(store.create('a', encoder('b')), failsWith('KEY_EXISTS'));
    assert.equal((await store.get('a'))?.value.object['metadata'], (await first).value.object['metadata']);
  });

  it('assigns revisions of concurrent writes in the order of acceptance, without a gap', async (t) => {
    const store = await open(t, new FakeClock());
    const entries = await Promise.all(
      Array.from({ length: 300 }, (_, i) => store.create(`k${i}`, encoder(`${i}`))),
    );
    assert.deepEqual(
      entries.map((entry) => entry.modRevision),
      entries.map((_, i) => i + 1),
    );
  });

  it('is not affected by an encoder that throws', async (t) => {
    const store = await open(t, new FakeClock());
    const broken: Encode = () => {
      throw new Error('cannot encode');
    };
    await assert.rejects(store.create('a', broken), /cannot encode/);
    assert.equal(await store.get('a'), undefined);
    assert.equal((await store.create('a', encoder('a'))).modRevision, 1);
  });

  it('refuses keys that would not survive the way to disk', async (t) => {
    const store = await open(t, new FakeClock());
    for (const key of ['', 'x'.repeat(65_536), 'a\ud800']) {
      await assert.rejects(store.create(key, encoder('a')), TypeError);
    }
  });
}

function listSuite(open: StoreFactory): void {
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

function watchSuite(open: StoreFactory): void {
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

function compactionSuite(open: StoreFactory): void {
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

function ttlSuite(open: StoreFactory): void {
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

function closeSuite(open: StoreFactory): void {
  it('finishes accepted writes, ends watches with CLOSED, and refuses everything after', async (t) => {
    const store = await open(t, new FakeClock());
    const signal = AbortSignal.timeout(10_000);
    const waiting = store.watch({ prefix: 'x', fromRevision: 0, signal })[Symbol.asyncIterator]().next();
    const ended = assert.rejects(waiting, failsWith('CLOSED'));
    const write = store.create('a', encoder('a'));
    const closing = store[Symbol.asyncDispose]();
    assert.equal((await write).modRevision, 1);
    await closing;
    await ended;
    await assert.rejects(store.get('a'), failsWith('CLOSED'));
    await assert.rejects(store.list({ prefix: '' }), failsWith('CLOSED'));
    await assert.rejects(store.create('b', encoder('b')), failsWith('CLOSED'));
    await assert.rejects(store.compact(1), failsWith('CLOSED'));
    await assert.rejects(
      readUntil(store.watch({ prefix: '', fromRevision: 0, signal }), 1),
      failsWith('CLOSED'),
    );
    await store[Symbol.asyncDispose]();
  });
}
