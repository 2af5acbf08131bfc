/** Quantities: exact parsing, canonical forms, comparison. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  compareQuantities,
  isQuantity,
  normalizeQuantity,
  quantityToMilli,
  quantityToNumber,
} from '#protocol/meta/quantity.js';

const CANONICAL: ReadonlyArray<readonly [text: string, canonical: string]> = [
  ['0', '0'],
  ['0Mi', '0'],
  ['1000m', '1'],
  ['0.5', '500m'],
  ['1500m', '1500m'],
  ['1024Mi', '1Gi'],
  ['1536Mi', '1536Mi'],
  ['100k', '100k'],
  ['100000', '100k'],
  ['1e3', '1e3'],
  ['12E6', '12e6'],
  ['5E', '5E'],
  ['.5Gi', '512Mi'],
  ['0.5Ki', '512'],
  ['-1.5', '-1500m'],
  ['+2', '2'],
  ['0.1n', '1n'],
  ['1u', '1u'],
];

for (const [text, canonical] of CANONICAL) {
  test(`${text} is written ${canonical}`, () => {
    assert.equal(normalizeQuantity(text), canonical);
    assert.equal(normalizeQuantity(canonical), canonical);
  });
}

test('texts that are no quantities are refused in the words of Kubernetes', () => {
  for (const text of ['', 'abc', '1.2.3', '1 Gi', '1gi', '1GiB', '--1', '1e', '０']) {
    assert.equal(isQuantity(text), false, text);
    assert.throws(() => normalizeQuantity(text), /quantities must match the regular expression/);
  }
});

test('values beyond the largest are capped instead of overflowing', () => {
  assert.equal(compareQuantities('1e999', '9223372036854775807'), 0);
  assert.equal(compareQuantities('9999999999E', '1e100'), 0);
});

test('comparison is by value, not by form', () => {
  assert.equal(compareQuantities('1Gi', '1024Mi'), 0);
  assert.equal(compareQuantities('0.1', '100m'), 0);
  assert.ok(compareQuantities('1G', '1Gi') < 0);
  assert.ok(compareQuantities('2', '1999m') > 0);
});

test('numbers are rounded up', () => {
  assert.equal(quantityToNumber('1500m'), 2);
  assert.equal(quantityToNumber('1Ki'), 1024);
  assert.equal(quantityToMilli('0.0001'), 1);
});

test('a sum keeps the format of the first', () => {
  assert.equal(addQuantities('512Mi', '512Mi'), '1Gi');
  assert.equal(addQuantities('500m', '0.5'), '1');
});
