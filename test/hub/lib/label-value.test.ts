/** Free text becomes a label's value that the API accepts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelValue } from '#hub/lib/label-value.js';

test('what a label cannot hold becomes one hyphen, never at an end, and long text is cut off', () => {
  assert.equal(labelValue('Raspberry Pi 4 Model B'), 'Raspberry-Pi-4-Model-B');
  assert.equal(labelValue(' plant 7, hall (B) '), 'plant-7-hall-B');
  assert.equal(labelValue('Küche'), 'K-che');
  assert.equal(labelValue('…'), '');
  assert.equal(labelValue(`${'x'.repeat(62)} y`).length, 62);
});
