import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteCoalescer } from '#hub/api/write-coalescer.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

/** Records what reaches the wire. */
class Target {
  destroyed = false;
  readonly sent: string[] = [];

  write(bytes: Uint8Array): boolean {
    this.sent.push(Buffer.from(bytes).toString());
    return true;
  }
}

function start() {
  const clock = new FakeClock();
  const coalescer = new WriteCoalescer(clock);
  const target = new Target();
  return { clock, coalescer, target, write: (text: string) => coalescer.write(target, Buffer.from(text)) };
}

test('the first write leaves at once, those that follow leave together', async () => {
  const { clock, target, write } = start();
  for (const text of ['a', 'b', 'c']) write(text);
  assert.deepEqual(target.sent, ['a']);
  await clock.advance(10);
  assert.deepEqual(target.sent, ['a', 'bc']);
});

test('after a quiet time a write leaves at once again, and no timer runs', async () => {
  const { clock, target, write } = start();
  write('a');
  await clock.advance(30);
  assert.equal(clock.pendingTimers, 0);
  write('b');
  assert.deepEqual(target.sent, ['a', 'b']);
});

test('much leaves without waiting', () => {
  const { target, write } = start();
  write('a');
  write('x'.repeat(300_000));
  assert.equal(target.sent.length, 2);
});

test('what is held goes out in order before the end', () => {
  const { coalescer, target, write } = start();
  for (const text of ['a', 'b', 'c']) write(text);
  coalescer.flush(target);
  coalescer.flush(target);
  assert.deepEqual(target.sent, ['a', 'bc']);
});

test('a target that is destroyed is forgotten', async () => {
  const { clock, target, write } = start();
  write('a');
  write('b');
  target.destroyed = true;
  await clock.advance(30);
  assert.deepEqual(target.sent, ['a']);
  assert.equal(clock.pendingTimers, 0);
});
