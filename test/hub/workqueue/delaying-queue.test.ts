/** Delayed additions and retry waits, on a clock that moves only when told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DelayingQueue } from '#hub/workqueue/delaying-queue.js';
import { BucketLimiter, ItemExponentialLimiter, MaxOfLimiter } from '#hub/workqueue/rate-limiter.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

test('a delayed key appears when its time has come', async () => {
  const clock = new FakeClock();
  const queue = new DelayingQueue(clock);
  queue.addAfter('a', 100);
  await clock.advance(99);
  assert.equal(queue.length, 0);
  await clock.advance(1);
  assert.equal(queue.length, 1);
});

test('the earliest of several delays of one key wins, and it is added once', async () => {
  const clock = new FakeClock();
  const queue = new DelayingQueue(clock);
  queue.addAfter('a', 100);
  queue.addAfter('a', 50);
  queue.addAfter('a', 200);
  assert.equal(queue.delayed, 1);
  await clock.advance(50);
  assert.equal(queue.length, 1);
  await queue.get();
  queue.done('a');
  await clock.advance(500);
  assert.equal(queue.length, 0);
});

test('a delay that is not positive adds at once and cancels a pending one', async () => {
  const clock = new FakeClock();
  const queue = new DelayingQueue(clock);
  queue.addAfter('a', 100);
  queue.addAfter('a', 0);
  assert.equal(queue.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test('shutdown cancels every pending timer', () => {
  const clock = new FakeClock();
  const queue = new DelayingQueue(clock);
  queue.addAfter('a', 100);
  queue.addAfter('b', 200);
  queue.shutDown();
  queue.addAfter('c', 10);
  assert.equal(clock.pendingTimers, 0);
});

test('waits of one key double up to the maximum and start again after forget', () => {
  const limiter = new ItemExponentialLimiter(10, 75);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => limiter.when('a')),
    [10, 20, 40, 75, 75],
  );
  assert.equal(limiter.retries('a'), 5);
  assert.equal(limiter.when('b'), 10);
  limiter.forget('a');
  assert.equal(limiter.when('a'), 10);
});

test('the bucket lets a burst through, then paces, then refills', async () => {
  const clock = new FakeClock();
  const bucket = new BucketLimiter(clock, 10, 2);
  assert.deepEqual([bucket.when(), bucket.when(), bucket.when(), bucket.when()], [0, 0, 100, 200]);
  await clock.advance(10_000);
  assert.equal(bucket.when(), 0);
  assert.equal(bucket.tryAccept(), true);
  assert.equal(bucket.tryAccept(), false);
});

test('the longest wait of several limiters counts', () => {
  const limiter = new MaxOfLimiter(new ItemExponentialLimiter(10, 100), new ItemExponentialLimiter(50, 60));
  assert.deepEqual(
    [limiter.when('a'), limiter.when('a'), limiter.when('a'), limiter.when('a')],
    [50, 60, 60, 80],
  );
});
