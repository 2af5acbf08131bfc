/** Values of which the store keeps the bytes only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteKeeper } from '#hub/store/kept-bytes.js';
import { createMemoryStore } from '#hub/store/memory-store.js';
import { decodeJson } from '#hub/store/values.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

const stored = (object: Record<string, unknown>) => ({ object, bytes: Buffer.from(JSON.stringify(object)) });

test('bytes are copied, whatever their size, and decoded for each who looks', () => {
  const keeper = new ByteKeeper(decodeJson);
  const sizes = [0, 1, 700, 16_000, 16_384, 40_000, 200_000, 3];
  const values = sizes.map((size) => stored({ text: 'x'.repeat(size), size }));
  const kept = values.map((value) => {
    const source = { ...value, bytes: Buffer.from(value.bytes) };
    const one = keeper.keep(source);
    source.bytes.fill(0);
    return one;
  });
  for (const [index, one] of kept.entries()) {
    assert.deepEqual(one.bytes, values[index]?.bytes);
    assert.deepEqual(one.object, values[index]?.object);
    assert.ok(Object.isFrozen(one.object));
    assert.notEqual(one.object, one.object);
  }
});

test('small values that follow one another share their memory with nothing else', () => {
  const keeper = new ByteKeeper(decodeJson);
  const kept = Array.from({ length: 500 }, (_, number) => keeper.keep(stored({ number })));
  assert.equal(new Set(kept.map(({ bytes }) => bytes.buffer)).size, 1);
  assert.equal(kept[0]?.bytes.buffer.byteLength, 64 * 1024);
});

test('texts are looked for in the value alone', () => {
  const keeper = new ByteKeeper(decodeJson);
  const [first, second] = ['alpha', 'beta'].map((name) => keeper.keep(stored({ name })));
  const holds = (...texts: string[]) => first?.holds(texts.map((text) => Buffer.from(text)));
  assert.equal(holds('"alpha"'), true);
  assert.equal(holds('"beta"'), false);
  assert.equal(holds('"name"', '"alpha"'), true);
  assert.equal(holds(), true);
  assert.equal(second?.holds([Buffer.from('"beta"')]), true);
});

test('a store keeps the object of a key that stays, and the bytes of one that expires', async () => {
  const clock = new FakeClock();
  await using store = createMemoryStore({ clock });
  const stay = stored({ a: 1 });
  const go = stored({ b: 2 });
  await store.create('stay', () => stay);
  const answer = await store.create('go', () => go, { ttlMs: 1_000 });
  assert.equal(answer.value, go);
  assert.equal((await store.get('stay'))?.value, stay);
  const kept = (await store.get('go'))?.value;
  assert.notEqual(kept?.object, go.object);
  assert.deepEqual(kept?.object, go.object);
  await store.update('go', () => stored({ b: 3 }), answer.modRevision);
  assert.deepEqual((await store.get('go'))?.value.object, { b: 3 });
  await clock.advance(1_000);
  assert.equal(await store.get('go'), undefined);
});
