/** Laws of quantities and selectors, tried on generated values. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSelector, matchesSelector, parseSelector } from '#protocol/meta/label-selector.js';
import { compareQuantities, normalizeQuantity } from '#protocol/meta/quantity.js';

const RUNS = { numRuns: 300 };
const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'E-2');
const quantity = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    fc.integer({ min: 0, max: 1_000_000 }),
    fc.option(fc.integer({ min: 0, max: 999 })),
    suffix,
  )
  .map(([sign, whole, fraction, unit]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${unit}`);

test('the canonical form is stable and of the same value', () => {
  fc.assert(
    fc.property(quantity, (text) => {
      const canonical = normalizeQuantity(text);
      assert.equal(normalizeQuantity(canonical), canonical);
      assert.equal(compareQuantities(text, canonical), 0);
    }),
    RUNS,
  );
});

test('comparison is antisymmetric', () => {
  fc.assert(
    fc.property(quantity, quantity, (a, b) => {
      assert.equal(compareQuantities(a, b) + compareQuantities(b, a), 0);
    }),
    RUNS,
  );
});

const label = fc.constantFrom('a', 'b', 'x.io/c');
const value = fc.constantFrom('1', '2', 'v');
const term = fc.oneof(
  fc.tuple(label, fc.constantFrom('=', '==', '!='), value).map((parts) => parts.join('')),
  fc
    .tuple(label, fc.constantFrom('in', 'notin'), fc.array(value, { minLength: 1 }))
    .map(([k, op, vs]) => `${k} ${op} (${vs.join(',')})`),
  label,
  label.map((k) => `!${k}`),
);
const labels = fc.dictionary(label, value, { noNullPrototype: true });

test('a selector means the same after it was formatted', () => {
  fc.assert(
    fc.property(fc.array(term, { maxLength: 4 }), labels, (terms, set) => {
      const selector = parseSelector(terms.join(','));
      const text = formatSelector(selector);
      assert.equal(formatSelector(parseSelector(text)), text);
      assert.equal(matchesSelector(parseSelector(text), set), matchesSelector(selector, set));
    }),
    RUNS,
  );
});

test('a term and its negation never agree', () => {
  fc.assert(
    fc.property(label, value, labels, (k, v, set) => {
      assert.notEqual(
        matchesSelector(parseSelector(`${k}=${v}`), set),
        matchesSelector(parseSelector(`${k}!=${v}`), set),
      );
      assert.notEqual(matchesSelector(parseSelector(k), set), matchesSelector(parseSelector(`!${k}`), set));
    }),
    RUNS,
  );
});
