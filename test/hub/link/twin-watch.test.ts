/** Two machines with one identity are told apart from one that restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TwinWatch } from '#hub/link/twin-watch.js';

function setUp() {
  const found: string[] = [];
  return { found, watch: new TwinWatch((device) => found.push(device)) };
}

test('a boot id that comes back after another proves a second machine', () => {
  const { found, watch } = setUp();
  for (const boot of ['a', 'a', 'b', 'b']) watch.heard('kitchen', boot);
  watch.heard('cellar', 'a');
  assert.deepEqual(found, []);
  watch.heard('kitchen', 'a');
  assert.deepEqual(found, ['kitchen']);
  watch.heard('kitchen', 'a');
  watch.heard('kitchen', 'b');
  assert.deepEqual(found, ['kitchen', 'kitchen']);
  watch.forget('kitchen');
  watch.heard('kitchen', 'a');
  assert.equal(found.length, 2);
});

test('a machine that restarts as often as it likes is one machine', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.uuid()), fc.nat(3), (boots, repeats) => {
      const { found, watch } = setUp();
      for (const boot of boots)
        for (let hello = 0; hello <= repeats; hello += 1) watch.heard('kitchen', boot);
      return found.length === 0;
    }),
  );
});
