/** What the store does by itself as time goes by: expiry with retries, and compaction by policy. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeChange, type StoredEntry } from '#hub/store/change.js';
import { Compactor, chooseFloor } from '#hub/store/compaction.js';
import { Expiry } from '#hub/store/expiry.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock, settle } from '../../helpers/fake-clock.js';

describe('expiry', () => {
  const expiring = (key: string, expiresAt: number, createRevision = 1): StoredEntry => ({
    key,
    value: { bytes: new Uint8Array(), object: {} },
    createRevision,
    modRevision: createRevision,
    expiresAt,
  });

  function setUp() {
    const clock = new FakeClock(0);
    const expired: string[] = [];
    const state = { failing: false };
    const expiry = new Expiry({
      clock,
      logger: silentLogger,
      random: () => 0.5,
      expire: async (key) => {
        if (state.failing) throw new Error('disk full');
        expired.push(key);
      },
    });
    return { clock, expired, expiry, state };
  }

  it('deletes keys in the order of their times, however they were added', async () => {
    const { clock, expired, expiry } = setUp();
    for (const at of [500, 100, 400, 200, 300]) expiry.add(expiring(`at-${at}`, at));
    await clock.advance(250);
    assert.deepEqual(expired, ['at-100', 'at-200']);
    await clock.advance(1000);
    assert.deepEqual(expired, ['at-100', 'at-200', 'at-300', 'at-400', 'at-500']);
    assert.equal(clock.pendingTimers, 0);
  });

  it('tries again, later and later, until the deletion works', async () => {
    const { clock, expired, expiry, state } = setUp();
    state.failing = true;
    expiry.add(expiring('a', 100));
    await clock.advance(60_000);
    assert.deepEqual(expired, []);
    state.failing = false;
    await clock.advance(30_000);
    assert.deepEqual(expired, ['a']);
  });

  it('works through a wave of any size', async () => {
    const { clock, expired, expiry } = setUp();
    for (let i = 0; i < 1000; i++) expiry.add(expiring(`k${i}`, 100));
    await clock.advance(100);
    await settle(20);
    assert.equal(expired.length, 1000);
  });

  it('notices a jump of the wall clock within a minute', async () => {
    const { clock, expired, expiry } = setUp();
    expiry.add(expiring('a', 3_600_000));
    clock.jumpWall(4_000_000);
    await clock.advance(60_000);
    assert.deepEqual(expired, ['a']);
  });

  it('forgets keys that were deleted otherwise', async () => {
    const { clock, expired, expiry } = setUp();
    for (let i = 1; i <= 5000; i++) {
      const entry = expiring('same', 1000 + i, i);
      expiry.observe([makeChange('created', entry, undefined)]);
      expiry.observe([makeChange('deleted', { ...entry, modRevision: i + 1 }, entry)]);
    }
    assert.equal(expiry.size, 0);
    await clock.advance(100_000);
    assert.deepEqual(expired, []);
  });

  it('stops when it is disposed', async () => {
    const { clock, expired, expiry } = setUp();
    expiry.add(expiring('a', 100));
    expiry[Symbol.dispose]();
    await clock.advance(1000);
    assert.deepEqual(expired, []);
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('the compaction floor', () => {
  const policy = { retainMs: 100, maxRevisions: 50, intervalMs: 10 };
  const cases = [
    {
      name: 'is 0 while nothing is old',
      samples: [{ at: 0, revision: 5 }],
      now: { at: 99, revision: 20 },
      floor: 0,
    },
    {
      name: 'is the newest old sample',
      samples: [
        { at: 0, revision: 5 },
        { at: 50, revision: 9 },
        { at: 150, revision: 12 },
      ],
      now: { at: 200, revision: 20 },
      floor: 9,
    },
    {
      name: 'leaves no more revisions than allowed',
      samples: [{ at: 190, revision: 5 }],
      now: { at: 200, revision: 80 },
      floor: 30,
    },
    {
      name: 'is the higher of the two',
      samples: [{ at: 0, revision: 60 }],
      now: { at: 200, revision: 80 },
      floor: 60,
    },
  ];
  for (const { name, samples, now, floor } of cases) {
    it(name, () => assert.equal(chooseFloor(samples, now, policy), floor));
  }
});

describe('the compactor', () => {
  function setUp() {
    const clock = new FakeClock();
    const store = {
      revision: 0,
      compactedRevision: 0,
      failing: false,
      async compact(revision: number) {
        if (store.failing) throw new Error('disk full');
        store.compactedRevision = revision;
      },
    };
    const policy = { retainMs: 1000, maxRevisions: 100, intervalMs: 100 };
    const compactor = new Compactor({ clock, logger: silentLogger, policy, store });
    return { clock, store, compactor };
  }

  it('keeps history for its time, then lets it go', async () => {
    const { clock, store } = setUp();
    store.revision = 10;
    await clock.advance(100);
    store.revision = 20;
    await clock.advance(900);
    assert.equal(store.compactedRevision, 0);
    await clock.advance(100);
    assert.equal(store.compactedRevision, 10);
    await clock.advance(1000);
    assert.equal(store.compactedRevision, 20);
  });

  it('acts at once when there is too much history', async () => {
    const { store, compactor } = setUp();
    store.revision = 110;
    compactor.observe();
    await settle();
    assert.equal(store.compactedRevision, 0);
    store.revision = 111;
    compactor.observe();
    await settle();
    assert.equal(store.compactedRevision, 11);
  });

  it('tries again next round after a failure', async () => {
    const { clock, store } = setUp();
    store.revision = 10;
    store.failing = true;
    await clock.advance(2000);
    store.failing = false;
    await clock.advance(100);
    assert.equal(store.compactedRevision, 10);
  });

  it('stops when it is disposed', async () => {
    const { clock, store, compactor } = setUp();
    store.revision = 10;
    compactor[Symbol.dispose]();
    await clock.advance(5000);
    assert.equal(store.compactedRevision, 0);
    assert.equal(clock.pendingTimers, 0);
  });
});
