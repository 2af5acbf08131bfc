/** The store's small structures: sorted entries, event log, revision chain, keys and records. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makeChange, type StoredEntry } from '#hub/store/change.js';
import { EventLog } from '#hub/store/event-log.js';
import { LOG_END, LOG_START, logKey, parseLogKey } from '#hub/store/keys.js';
import { decodeRecord, type LogRecord, RecordEncoder } from '#hub/store/record.js';
import { RevisionChain } from '#hub/store/revision-chain.js';
import { SortedEntries } from '#hub/store/sorted-entries.js';
import { decodeJson, deepFreeze, stampResourceVersion } from '#hub/store/values.js';

function entry(key: string, modRevision = 1, bytes = 10): StoredEntry {
  const value = { bytes: new Uint8Array(bytes), object: {} };
  return { key, value, createRevision: 1, modRevision, expiresAt: 0 };
}

describe('sorted entries', () => {
  it('answer ranges as a sorted array does, after any insertions and deletions', () => {
    const key = fc.string({ maxLength: 3, unit: fc.constantFrom('a', 'b', '/', 'é', '\u{1f600}') });
    const step = fc.record({ key, remove: fc.boolean() });
    const property = fc.property(
      fc.array(step, { maxLength: 80 }),
      key,
      key,
      fc.nat(5),
      (steps, prefix, after, limit) => {
        const entries = new SortedEntries();
        const model = new Map<string, StoredEntry>();
        for (const [index, { key, remove }] of steps.entries()) {
          if (remove) {
            entries.delete(key);
            model.delete(key);
          } else {
            const value = entry(key, index);
            entries.set(value);
            model.set(key, value);
          }
        }
        const sorted = [...model.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
        assert.deepEqual(entries.all(), sorted);
        const expected = sorted.filter((item) => item.key.startsWith(prefix) && item.key > after);
        const range = entries.range(prefix, after, limit);
        assert.deepEqual(range.entries, expected.slice(0, limit));
        assert.equal(range.remaining, Math.max(0, expected.length - limit));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('stay in order over many chunks, filled in any order', () => {
    for (const order of [(i: number) => i, (i: number) => 4999 - i, (i: number) => (i * 2741) % 5000]) {
      const entries = new SortedEntries();
      const keys = Array.from({ length: 5000 }, (_, i) => `p/${String(order(i)).padStart(4, '0')}`);
      for (const key of keys) entries.set(entry(key));
      entries.set(entry('o/1'));
      entries.set(entry('q/1'));
      assert.deepEqual(
        entries.range('p/', undefined, Infinity).entries.map((item) => item.key),
        keys.sort(),
      );
      const middle = entries.range('p/', 'p/2400', 100);
      assert.deepEqual(
        [middle.entries[0]?.key, middle.entries.length, middle.remaining],
        ['p/2401', 100, 2499],
      );
      for (const key of keys) entries.delete(key);
      assert.deepEqual(
        entries.all().map((item) => item.key),
        ['o/1', 'q/1'],
      );
      assert.equal(entries.size, 2);
    }
  });
});

describe('event log', () => {
  const change = (revision: number, bytes = 10) =>
    makeChange('created', entry(`k${revision}`, revision, bytes), undefined);

  it('returns what follows a revision, at most the limit', () => {
    const log = new EventLog(5, 1e6);
    log.append([change(6), change(7), change(8)]);
    assert.deepEqual(
      log.since(6).map((item) => item.revision),
      [7, 8],
    );
    assert.deepEqual(
      log.since(5, 1).map((item) => item.revision),
      [6],
    );
    assert.deepEqual(log.since(8), []);
  });

  it('keeps within its bytes by dropping the oldest', () => {
    const log = new EventLog(0, 5000);
    for (let revision = 1; revision <= 5000; revision++) log.append([change(revision)]);
    assert.ok(log.first > 4980 && log.first < 5000, `${log.first}`);
    assert.equal(log.since(log.first - 1).length, 5001 - log.first);
    log.append([change(5001, 100_000)]);
    assert.equal(log.first, 5002);
  });

  it('forgets what is compacted', () => {
    const log = new EventLog(0, 1e6);
    log.append([change(1), change(2), change(3)]);
    log.forget(2);
    assert.equal(log.first, 3);
    log.forget(3);
    assert.equal(log.first, 4);
  });

  it('does not take a gap', () => {
    assert.throws(() => new EventLog(0, 1e6).append([change(2)]), RangeError);
  });
});

describe('revision chain', () => {
  /** The example of revision-chain.ts: created a@1, b@2, updated a@3, deleted b@4, updated a@5. */
  const example = () => {
    const chain = new RevisionChain(0, 0);
    for (const [previous, deleted] of [
      [0, false],
      [0, false],
      [1, false],
      [2, true],
      [3, false],
    ] as const) {
      chain.push(previous, deleted);
    }
    return chain;
  };

  it('drops what is replaced or deleted at the floor, and keeps what is alive there', () => {
    assert.deepEqual(example().plan(4, 100), { floor: 4, live: 1, obsolete: [1, 2, 4] });
    assert.deepEqual(example().plan(5, 100), { floor: 5, live: 1, obsolete: [1, 2, 4, 3] });
  });

  it('comes to the same end in small steps', () => {
    const chain = example();
    const obsolete: number[] = [];
    while (chain.floor < 5) {
      const step = chain.plan(5, 1);
      obsolete.push(...step.obsolete);
      chain.advance(step);
    }
    assert.deepEqual(obsolete, [1, 2, 4, 3]);
    assert.equal(chain.last, 5);
    chain.push(5, true);
    assert.deepEqual(chain.plan(6, 1), { floor: 6, live: 0, obsolete: [5, 6] });
  });
});

describe('keys', () => {
  it('order as their revisions do, within the log', () => {
    const revision = fc.oneof(fc.nat(300), fc.maxSafeNat());
    fc.assert(
      fc.property(revision, revision, (a, b) => {
        assert.equal(Buffer.compare(Buffer.from(logKey(a)), Buffer.from(logKey(b))), Math.sign(a - b));
        assert.equal(parseLogKey(logKey(a)), a);
        assert.ok(logKey(a) > LOG_START && logKey(a) < LOG_END);
      }),
    );
  });

  it('refuse what is not a revision', () => {
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => logKey(bad), RangeError);
    for (const bad of ['log/', 'log/1', 'meta/floor', `log/${'f'.repeat(14)}`, `${logKey(1)}0`]) {
      assert.equal(parseLogKey(bad), undefined);
    }
  });
});

describe('records', () => {
  const record = fc.record<LogRecord>(
    {
      type: fc.constantFrom('created', 'updated', 'deleted'),
      key: fc.string({ minLength: 1, unit: 'grapheme' }),
      revision: fc.maxSafeNat(),
      createRevision: fc.maxSafeNat(),
      previousRevision: fc.maxSafeNat(),
      expiresAt: fc.maxSafeNat(),
      sealed: fc.boolean(),
      bytes: fc.uint8Array({ maxLength: 20_000, size: 'max' }).map((bytes) => Buffer.from(bytes)),
    },
    { noNullPrototype: true },
  );

  it('come back as they were', () => {
    const encoder = new RecordEncoder();
    fc.assert(
      fc.property(record, (value) => assert.deepEqual(decodeRecord(encoder.encode(value)), value)),
      { numRuns: 60 },
    );
  });

  it('are refused with any bit flipped, and cut anywhere', () => {
    const encoder = new RecordEncoder();
    fc.assert(
      fc.property(record, fc.nat(), fc.nat(7), (value, position, bit) => {
        const bytes = Buffer.from(encoder.encode(value));
        const at = position % bytes.length;
        assert.throws(() => decodeRecord(bytes.subarray(0, at)), RangeError);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        assert.throws(() => decodeRecord(bytes), RangeError);
      }),
      { numRuns: 60 },
    );
  });
});

describe('values', () => {
  it('are frozen to the bottom', () => {
    const value = deepFreeze({ a: [{ b: { c: 1 } }] });
    assert.ok(Object.isFrozen(value.a[0]?.b));
    assert.ok(Object.isFrozen(decodeJson(Buffer.from('{"a":[{"b":{}}]}'))['a']));
  });

  it('must be JSON objects', () => {
    assert.throws(() => decodeJson(Buffer.from('[]')), TypeError);
    assert.throws(() => decodeJson(Buffer.from('{')), SyntaxError);
  });

  it('of an expired key carry the revision of its deletion', () => {
    const object = { kind: 'Event', metadata: { name: 'e', resourceVersion: '4' } };
    const tombstone = stampResourceVersion({ object, bytes: Buffer.from(JSON.stringify(object)) }, 9);
    assert.deepEqual(tombstone.object, { kind: 'Event', metadata: { name: 'e', resourceVersion: '9' } });
    assert.deepEqual(JSON.parse(Buffer.from(tombstone.bytes).toString()), tombstone.object);
  });
});
