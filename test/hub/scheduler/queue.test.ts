/** The states of the scheduling queue: active, back-off, unschedulable, popped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchedulingQueue } from '#hub/scheduler/queue.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function setUp() {
  const clock = new FakeClock();
  return { clock, queue: new SchedulingQueue(clock) };
}

test('higher priority first, then order of arrival', () => {
  const { queue } = setUp();
  queue.add('a', 0);
  queue.add('urgent', 100);
  queue.add('b', 0);
  assert.deepEqual([queue.pop(), queue.pop(), queue.pop(), queue.pop()], ['urgent', 'a', 'b', undefined]);
});

test('a parked pod wakes on an event that helps, after its back-off', async () => {
  const { clock, queue } = setUp();
  queue.add('a', 0);
  queue.pop();
  queue.park('a', ['node-added']);
  queue.moveOn('pod-removed');
  assert.deepEqual(queue.counts(), { active: 0, backoff: 0, unschedulable: 1 });
  queue.moveOn('node-added');
  assert.deepEqual(queue.counts(), { active: 0, backoff: 1, unschedulable: 0 });
  await clock.advance(1_000);
  assert.equal(queue.pop(), 'a');
});

test('a parked pod whose back-off is over is active at once', async () => {
  const { clock, queue } = setUp();
  queue.add('a', 0);
  queue.pop();
  queue.park('a', []);
  await clock.advance(5_000);
  queue.moveOn('node-changed');
  assert.equal(queue.pop(), 'a');
});

test('the back-off doubles per attempt up to ten seconds', async () => {
  const { clock, queue } = setUp();
  queue.add('a', 0);
  const waits: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    queue.pop();
    queue.retryLater('a');
    let waited = 0;
    while (queue.counts().active === 0) {
      await clock.advance(500);
      waited += 500;
    }
    waits.push(waited);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});

test('a parked pod is tried again after a minute, whatever happens', async () => {
  const { clock, queue } = setUp();
  queue.add('a', 0);
  queue.pop();
  queue.park('a', ['node-added']);
  await clock.advance(60_000);
  assert.equal(queue.pop(), 'a');
});

test('a deleted pod is gone from every state and leaves no timer', () => {
  const { clock, queue } = setUp();
  for (const key of ['active', 'parked', 'late']) queue.add(key, 0);
  queue.pop();
  queue.pop();
  queue.pop();
  queue.add('active', 0);
  queue.park('parked', []);
  queue.retryLater('late');
  for (const key of ['active', 'parked', 'late']) queue.delete(key);
  assert.deepEqual(queue.counts(), { active: 0, backoff: 0, unschedulable: 0 });
  assert.equal(clock.pendingTimers, 0);
});

test('a changed spec brings a parked pod back at once', () => {
  const { queue } = setUp();
  queue.add('a', 0);
  queue.pop();
  queue.park('a', ['node-added']);
  queue.add('a', 0);
  assert.equal(queue.pop(), 'a');
});

test('ready resolves when a pod becomes active and when the queue closes', async () => {
  const { queue } = setUp();
  const first = queue.ready();
  queue.add('a', 0);
  await first;
  queue.pop();
  const second = queue.ready();
  queue.close();
  await second;
});
