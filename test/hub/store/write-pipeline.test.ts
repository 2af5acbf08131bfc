/** Acceptance, group commit and rollback, with a disk that answers when the test says so. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Change, StoredEntry } from '#hub/store/change.js';
import type { Encode } from '#hub/store/store.js';
import { type Intent, WritePipeline } from '#hub/store/write-pipeline.js';
import { settle } from '../../helpers/fake-clock.js';
import { encoder } from '../../helpers/store-values.js';

/** A pipeline over a map, and a disk whose appends wait for `succeed` or `fail`. */
function setUp() {
  const entries = new Map<string, StoredEntry>();
  const batches: Array<{ changes: readonly Change[]; succeed: () => void; fail: (error: Error) => void }> =
    [];
  const committed = {
    revision: 0,
    entries,
    apply(changes: readonly Change[]) {
      for (const change of changes) {
        if (change.type === 'deleted') entries.delete(change.key);
        else entries.set(change.key, change.entry);
        committed.revision = change.revision;
      }
    },
  };
  const observed: number[] = [];
  const pipeline = new WritePipeline(
    committed,
    (changes) =>
      new Promise((succeed, fail) => {
        batches.push({ changes, succeed, fail });
      }),
    (changes) => observed.push(...changes.map((change) => change.revision)),
  );
  /** Lets the disk answer the oldest append; returns the revisions that it carried. */
  const answer = async (error?: Error) => {
    await settle();
    const batch = batches.shift();
    assert.ok(batch, 'no append is under way');
    if (error === undefined) batch.succeed();
    else batch.fail(error);
    await settle();
    return batch.changes.map((change) => change.revision);
  };
  return { pipeline, committed, entries, batches, observed, answer };
}

const create = (key: string, encode: Encode = encoder(key)): Intent => ({
  type: 'created',
  key,
  encode,
  expiresAt: 0,
});
const update = (key: string, expected: number): Intent => ({
  type: 'updated',
  key,
  encode: encoder(key),
  expected,
});
const remove = (key: string, expected: number): Intent => ({
  type: 'deleted',
  key,
  encode: encoder(key),
  expected,
});
const code = async (work: Promise<unknown>) =>
  await work.then(
    () => 'ok',
    (error) => error.code ?? error.message,
  );

it('writes what gathers during one append with the next one', async () => {
  const { pipeline, answer } = setUp();
  const writes = [pipeline.write(create('a')), pipeline.write(create('b'))];
  await settle();
  writes.push(...['c', 'd', 'e'].map((key) => pipeline.write(create(key))));
  assert.deepEqual(await answer(), [1, 2]);
  assert.deepEqual(await answer(), [3, 4, 5]);
  assert.deepEqual(
    (await Promise.all(writes)).map((entry) => entry.modRevision),
    [1, 2, 3, 4, 5],
  );
});

it('acknowledges only after the append, and after the state and its observers know', async () => {
  const { pipeline, committed, observed, answer } = setUp();
  let acknowledged = false;
  const write = pipeline.write(create('a')).then(() => {
    acknowledged = true;
    assert.equal(committed.revision, 1);
    assert.deepEqual(observed, [1]);
  });
  await settle();
  assert.equal(acknowledged, false);
  await answer();
  await write;
});

it('lets a write build on one that is still under way', async () => {
  const { pipeline, entries, answer } = setUp();
  const writes = [
    pipeline.write(create('a')),
    pipeline.write(update('a', 1)),
    pipeline.write(remove('a', 2)),
    pipeline.write(create('a')),
  ];
  await answer();
  const revisions = (await Promise.all(writes)).map((entry) => [entry.createRevision, entry.modRevision]);
  assert.deepEqual(revisions, [
    [1, 1],
    [1, 2],
    [1, 3],
    [4, 4],
  ]);
  assert.equal(entries.get('a')?.modRevision, 4);
});

it('rejects everything accepted after a failed append, and assigns the revisions again', async () => {
  const { pipeline, committed, answer } = setUp();
  const durable = pipeline.write(create('a'));
  await answer();
  await durable;
  const doomed = [pipeline.write(update('a', 1)), pipeline.write(create('b'))].map(code);
  await settle();
  // Accepted while the append that will fail is under way: one builds on it, one does not.
  doomed.push(code(pipeline.write(update('a', 2))), code(pipeline.write(create('c'))));
  await answer(new Error('disk failed'));
  assert.deepEqual(await Promise.all(doomed), Array(4).fill('disk failed'));
  assert.equal(committed.revision, 1);
  const seen: number[] = [];
  const next = pipeline.write(
    create('d', (revision) => {
      seen.push(revision);
      return encoder('d')(revision);
    }),
  );
  assert.deepEqual(await answer(), [2]);
  assert.equal((await next).modRevision, 2);
  assert.deepEqual(seen, [2]);
});

it('holds a refusal back until the write that causes it is durable', async () => {
  const { pipeline, answer } = setUp();
  const first = pipeline.write(create('a'));
  let refused = false;
  const second = code(pipeline.write(create('a'))).finally(() => {
    refused = true;
  });
  await settle();
  assert.equal(refused, false);
  await answer();
  assert.equal(await second, 'KEY_EXISTS');
  await first;
});

it('does not refuse because of a write that failed', async () => {
  const { pipeline, answer } = setUp();
  const first = code(pipeline.write(create('a')));
  const second = pipeline.write(create('a'));
  await answer(new Error('disk failed'));
  assert.equal(await first, 'disk failed');
  await answer();
  assert.equal((await second).modRevision, 1);
});

it('judges by durable state when the write under way was undone', async () => {
  const { pipeline, answer } = setUp();
  const created = pipeline.write(create('a'));
  await answer();
  await created;
  const deleting = code(pipeline.write(remove('a', 1)));
  const updating = pipeline.write(update('a', 1));
  await answer(new Error('disk failed'));
  assert.equal(await deleting, 'disk failed');
  await answer();
  assert.equal((await updating).modRevision, 2);
});

it('makes writers beyond 64 MiB wait before their values are encoded', async () => {
  const { pipeline, answer, batches } = setUp();
  let encoded = 0;
  const large: Encode = (revision) => {
    encoded++;
    return { ...encoder('large')(revision), bytes: new Uint8Array(16 * 1024 * 1024) };
  };
  const writes = Array.from({ length: 6 }, (_, i) => pipeline.write(create(`k${i}`, large)));
  await settle();
  assert.equal(encoded, 4);
  while (batches.length > 0) await answer();
  assert.deepEqual(
    (await Promise.all(writes)).map((entry) => entry.modRevision),
    [1, 2, 3, 4, 5, 6],
  );
});

it('bounds a batch in changes', async () => {
  const { pipeline, answer } = setUp();
  const writes = Array.from({ length: 1500 }, (_, i) => pipeline.write(create(`k${i}`)));
  assert.equal((await answer()).length, 1024);
  assert.equal((await answer()).length, 476);
  await Promise.all(writes);
});

it('closes after the accepted writes, and refuses later ones', async () => {
  const { pipeline, answer } = setUp();
  const write = pipeline.write(create('a'));
  const closing = pipeline.close();
  assert.equal(await code(pipeline.write(create('b'))), 'CLOSED');
  await answer();
  await closing;
  assert.equal((await write).modRevision, 1);
});
