/** deepEqual is equality of what JSON.stringify would put on the wire, whatever the order of keys. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { deepEqual } from '#hub/registry/deep-equal.js';

const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('deepEqual agrees with the wire', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(deepEqual(a, b), isDeepStrictEqual(wire(a), wire(b)));
      assert.ok(deepEqual(a, wire(a)));
    }),
  );
});

test('an undefined property is an absent one', () => {
  assert.ok(deepEqual({ a: 1, b: undefined }, { a: 1 }));
  assert.ok(deepEqual({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!deepEqual({ a: 1, b: null }, { a: 1 }));
  assert.ok(!deepEqual({ a: [] }, { a: {} }));
  assert.ok(!deepEqual([1, 2], [1]));
});
