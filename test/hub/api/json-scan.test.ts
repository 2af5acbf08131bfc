import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { duplicateKeys } from '#hub/api/json-scan.js';

test('repeated keys are named by their path', () => {
  assert.deepEqual(duplicateKeys('{"a":1,"b":{"a":2},"c":[{"x":1},{"y":1,"y":2}],"a":3}'), ['c[1].y', 'a']);
});

test('text in strings is not mistaken for structure', () => {
  assert.deepEqual(duplicateKeys('{"a":"{\\"a\\":1}","b":"\\\\","c":"a\\"","d" : ["a","a","a:"]}'), []);
});

test('values never count as keys, and equal keys of different objects are not repeated', () => {
  assert.deepEqual(duplicateKeys('{"a":"a","b":{"a":"b"},"c":[{"a":1},{"a":1}]}'), []);
});

test('absurd nesting is refused before the parser sees it', () => {
  assert.throws(() => duplicateKeys('['.repeat(600)), /nested more than 512 levels deep/);
});

test('what JSON.stringify writes never has repeated keys', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => duplicateKeys(JSON.stringify(value)).length === 0),
  );
});

test('any text is survived', () => {
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(duplicateKeys(text))));
});
