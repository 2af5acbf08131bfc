/** JSON merge patch: the examples of RFC 7386 that an object can have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyMergePatch } from '#hub/api/patch/merge-patch.js';
import { ApiError } from '#protocol/meta/status.js';

const CASES: ReadonlyArray<readonly [target: unknown, patch: unknown, result: unknown]> = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [target, patch, result] of CASES) {
  test(`${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () => {
    const before = structuredClone(target);
    assert.deepEqual(applyMergePatch(target, patch), result);
    assert.deepEqual(target, before);
  });
}

test('a patch that is no object is refused', () => {
  for (const patch of [null, [], 'x', 1]) {
    assert.throws(
      () => applyMergePatch({}, patch),
      (error: unknown) => error instanceof ApiError && error.code === 400,
    );
  }
});

test('__proto__ is a key like any other', () => {
  const result = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
  assert.equal(JSON.stringify(result), '{"__proto__":{"polluted":1}}');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});
