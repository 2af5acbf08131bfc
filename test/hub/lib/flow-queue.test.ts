import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowQueue } from '#hub/lib/flow-queue.js';
import { settle } from '#test/helpers/fake-clock.js';

const queue = (limit = 10) => new FlowQueue<string>(limit, (text) => text.length);

test('items come out in order, then the end', async () => {
  const q = queue();
  void q.push('a');
  void q.push('b');
  q.end();
  const got: string[] = [];
  for await (const item of q) got.push(item);
  assert.deepEqual(got, ['a', 'b']);
});

test('a full queue holds its producer until the consumer reads', async () => {
  const q = queue();
  let pushed = false;
  void q.push('0123456789').then(() => {
    pushed = true;
  });
  await settle();
  assert.equal(pushed, false);
  await q[Symbol.asyncIterator]().next();
  await settle();
  assert.equal(pushed, true);
});

test('a consumer waits for the next item', async () => {
  const q = queue();
  const next = q[Symbol.asyncIterator]().next();
  await settle();
  void q.push('late');
  assert.deepEqual(await next, { done: false, value: 'late' });
});

test('failing releases both sides', async () => {
  const q = queue();
  const producer = q.push('0123456789');
  q.fail(new Error('lost'));
  await producer;
  await assert.rejects(async () => {
    for await (const _ of q) assert.fail('nothing may come');
  }, /lost/);
});

test('a consumer that leaves releases its producer', async () => {
  const q = queue();
  const producer = q.push('0123456789');
  for await (const _ of q) break;
  await producer;
  await q.push('dropped');
  assert.equal(q.weight, 0);
});
