/** JSON patch: RFC 6902's operations, and its refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyJsonPatch } from '#hub/api/patch/json-patch.js';
import { ApiError } from '#protocol/meta/status.js';

function code(document: unknown, patch: unknown): number {
  try {
    applyJsonPatch(document, patch);
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error.code;
  }
  return 200;
}

const CASES: ReadonlyArray<readonly [title: string, document: unknown, patch: unknown[], result: unknown]> = [
  ['add a member', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['add an element in the middle', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  ['append', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
  ['add null', {}, [{ op: 'add', path: '/a', value: null }], { a: null }],
  [
    'remove',
    { a: { b: 1 }, c: [1, 2] },
    [
      { op: 'remove', path: '/a/b' },
      { op: 'remove', path: '/c/0' },
    ],
    { a: {}, c: [2] },
  ],
  ['replace', { a: [1, 2] }, [{ op: 'replace', path: '/a/1', value: 3 }], { a: [1, 3] }],
  ['replace everything', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
  ['move', { a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
  ['move within a list', { a: [1, 2, 3] }, [{ op: 'move', from: '/a/0', path: '/a/2' }], { a: [2, 3, 1] }],
  ['copy', { a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: 1 }, c: { b: 1 } }],
  [
    'test',
    { a: { b: [1, { c: 2 }] } },
    [{ op: 'test', path: '/a', value: { b: [1, { c: 2 }] } }],
    { a: { b: [1, { c: 2 }] } },
  ],
  [
    'escapes',
    { 'a/b': 1, 'm~n': 2 },
    [
      { op: 'replace', path: '/a~1b', value: 3 },
      { op: 'remove', path: '/m~0n' },
    ],
    { 'a/b': 3 },
  ],
];

for (const [title, document, patch, result] of CASES) {
  test(`it can ${title}`, () => {
    const before = structuredClone(document);
    assert.deepEqual(applyJsonPatch(document, patch), result);
    assert.deepEqual(document, before);
  });
}

test('a malformed patch is a bad request', () => {
  for (const patch of [
    {},
    [1],
    [{ op: 'add', path: '/a' }],
    [{ op: 'merge', path: '/a', value: 1 }],
    [{ op: 'remove' }],
    [{ op: 'remove', path: 'a' }],
    [{ op: 'move', path: '/a' }],
  ]) {
    assert.equal(code({ a: 1 }, patch), 400, JSON.stringify(patch));
  }
});

test('a patch that does not fit is unprocessable', () => {
  for (const patch of [
    [{ op: 'remove', path: '/x' }],
    [{ op: 'replace', path: '/x', value: 1 }],
    [{ op: 'add', path: '/x/y', value: 1 }],
    [{ op: 'add', path: '/l/2', value: 1 }],
    [{ op: 'add', path: '/l/01', value: 1 }],
    [{ op: 'remove', path: '/l/-' }],
    [{ op: 'test', path: '/a', value: 2 }],
    [{ op: 'move', from: '/o', path: '/o/x' }],
    [{ op: 'remove', path: '' }],
    [{ op: 'add', path: '/toString/x', value: 1 }],
  ]) {
    assert.equal(code({ a: 1, l: [0], o: {} }, patch), 422, JSON.stringify(patch));
  }
});

test('the failed test is named', () => {
  assert.throws(
    () => applyJsonPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }]),
    /testing value \/a failed: test failed/,
  );
});

test('operations and copies are bounded', () => {
  const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }));
  assert.equal(code({ a: 1 }, many), 413);
  const doubling = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
  assert.equal(code({ a: ['x'.repeat(100)] }, doubling), 413);
});

test('__proto__ is a key like any other', () => {
  const result = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: 1 } }]);
  assert.equal(JSON.stringify(result), '{"__proto__":{"polluted":1}}');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});
