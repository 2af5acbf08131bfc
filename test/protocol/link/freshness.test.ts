/** Which messages are new: epoch, hub instance, sequence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreshnessGate } from '#protocol/link/freshness.js';

test('another epoch is stale, a sequence counts once and never backwards, kinds apart', () => {
  const gate = new FreshnessGate(5);
  assert.equal(gate.admit('command', { epoch: 4, sequence: 1 }), 'stale-epoch');
  assert.equal(gate.admit('command', { epoch: 5, sequence: 2 }), 'fresh');
  assert.equal(gate.admit('command', { epoch: 5, sequence: 2 }), 'replayed');
  assert.equal(gate.admit('command', { epoch: 5, sequence: 1 }), 'replayed');
  assert.equal(gate.admit('lease', { epoch: 5, sequence: 1 }), 'fresh');
});

test('a restarted hub counts anew, and what its predecessor still had on the way is void', () => {
  const gate = new FreshnessGate(5);
  assert.equal(gate.admit('assignment', { epoch: 5, sequence: 9, hubInstance: 'one' }), 'fresh');
  assert.equal(gate.admit('assignment', { epoch: 5, sequence: 1, hubInstance: 'two' }), 'fresh');
  assert.equal(gate.admit('assignment', { epoch: 5, sequence: 10, hubInstance: 'one' }), 'retired-hub');
  assert.equal(gate.admit('assignment', { epoch: 5, sequence: 2, hubInstance: 'two' }), 'fresh');
});
