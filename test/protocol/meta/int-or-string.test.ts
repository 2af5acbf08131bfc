/** IntOrString: numbers and percentages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIntOrPercent, isZeroIntOrPercent, scaledValue } from '#protocol/meta/int-or-string.js';

test('a percentage is taken of the total, up or down', () => {
  assert.equal(scaledValue('25%', 10, true), 3);
  assert.equal(scaledValue('25%', 10, false), 2);
  assert.equal(scaledValue(4, 10, true), 4);
  assert.equal(scaledValue('100%', 7, false), 7);
});

test('other texts have no value', () => {
  assert.throws(() => scaledValue('some', 10, true), /"some" is not a percentage/);
  assert.ok(!isIntOrPercent('-1%') && !isIntOrPercent('1') && isIntOrPercent(0));
});

test('zero comes in two forms', () => {
  assert.ok(isZeroIntOrPercent(0) && isZeroIntOrPercent('0%') && !isZeroIntOrPercent('1%'));
});
