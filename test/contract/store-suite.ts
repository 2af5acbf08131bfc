/**
 * The promises of hub/store/store.ts and DESIGN.md section 4, one named test each. Every implementation of
 * Store runs this suite; a factory opens an empty store on the given clock.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Encode, Store } from '#hub/store/store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { encoder, failsWith, readUntil } from '../helpers/store-values.js';
import { compactionSuite, listSuite, ttlSuite } from './store-history-suite.js';
import { watchSuite } from './store-watch-suite.js';

/** Opens an empty store; the factory sees to its disposal at the end of the test. */
export type StoreFactory = (t: TestContext, clock: FakeClock) => Promise<Store>;

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
