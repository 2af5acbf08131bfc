/** sameJson is equality of what JSON.stringify would put on the wire, whatever the order of keys. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { sameJson } from '#hub/lib/same-json.js';

const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('sameJson agrees with the wire', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(sameJson(a, b), isDeepStrictEqual(wire(a), wire(b)));
      assert.ok(sameJson(a, wire(a)));
    }),
  );
});

test('an undefined property is an absent one', () => {
  assert.ok(sameJson({ a: 1, b: undefined }, { a: 1 }));
  assert.ok(sameJson({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!sameJson({ a: 1, b: null }, { a: 1 }));
  assert.ok(!sameJson({ a: [] }, { a: {} }));
  assert.ok(!sameJson([1, 2], [1]));
});
