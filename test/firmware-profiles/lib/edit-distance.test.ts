/** The distance is that of Levenshtein: symmetric, and the number of changes that make one text of the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance } from '#firmware-profiles/lib/edit-distance.js';

test('known distances', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('raspbery-pi-4', 'raspberry-pi-4'), 1);
  assert.equal(editDistance('a😀', 'a'), 1);
});

test('it is symmetric, nothing for equal texts, and one for a letter more', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
  fc.assert(
    fc.property(text, text, fc.nat(8), (one, other, at) => {
      assert.equal(editDistance(one, other), editDistance(other, one));
      assert.equal(editDistance(one, one), 0);
      assert.equal(editDistance(one, `${one.slice(0, at)}x${one.slice(at)}`), 1);
    }),
  );
});
