/** The states of the work queue: waiting, dirty, processing, shut down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from '#hub/workqueue/queue.js';

test('keys come out in the order in which they were first added', async () => {
  const queue = new WorkQueue();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
  assert.equal(queue.length, 3);
  assert.deepEqual([await queue.get(), await queue.get(), await queue.get()], ['a', 'b', 'c']);
});

test('a key added while processing waits until it is done, and is collapsed', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  assert.equal(await queue.get(), 'a');
  queue.add('a');
  queue.add('a');
  assert.equal(queue.length, 0);
  queue.done('a');
  assert.equal(queue.length, 1);
  assert.equal(await queue.get(), 'a');
  queue.done('a');
  assert.equal(queue.length, 0);
});

test('a waiting worker gets the next key at once', async () => {
  const queue = new WorkQueue();
  const first = queue.get();
  const second = queue.get();
  queue.add('a');
  queue.add('b');
  assert.deepEqual([await first, await second], ['a', 'b']);
});

test('a key handed to a waiting worker counts as processing', async () => {
  const queue = new WorkQueue();
  const worker = queue.get();
  queue.add('a');
  queue.add('a');
  assert.equal(await worker, 'a');
  assert.equal(queue.length, 0, 'second addition waits for done');
  queue.done('a');
  assert.equal(queue.length, 1);
});

test('shutdown gives undefined to waiting and later workers and ignores additions', async () => {
  const queue = new WorkQueue();
  const waiting = queue.get();
  queue.shutDown();
  queue.add('a');
  assert.equal(await waiting, undefined);
  assert.equal(await queue.get(), undefined);
});

test('drained waits for keys in processing and drops those that were added meanwhile', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.add('b');
  await queue.get();
  queue.add('a');
  let over = false;
  const drained = queue.drained().then(() => {
    over = true;
  });
  await Promise.resolve();
  assert.equal(over, false);
  queue.done('a');
  await drained;
  assert.equal(over, true);
  assert.equal(await queue.get(), undefined);
});
