/** Which session epochs the hub grants and believes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { epochBase, highestEpoch } from '#hub/link/epoch.js';

const DAY_MS = 24 * 3600_000;
const NOW = Date.UTC(2026, 10, 20);

test('a later join begins above a connection every second since the one before', () => {
  assert.equal(epochBase(Date.UTC(2026, 0, 1)), 0);
  assert.equal(epochBase(0), 0, 'a hub without a clock');
  assert.ok(epochBase(NOW + DAY_MS) - epochBase(NOW) >= DAY_MS / 1000);
});

test('a device may be far ahead of the hub’s count, and not without end', () => {
  const base = epochBase(NOW);
  const crashesEveryFiveSeconds = base + ((10 * DAY_MS) / 5000) * 97;
  assert.ok(crashesEveryFiveSeconds <= highestEpoch(NOW, undefined));
  assert.ok(highestEpoch(NOW, undefined) < 2 ** 31);
});

test('what a device has come to before stands, though the hub’s clock was set back', () => {
  const last = epochBase(Date.UTC(2036, 0, 1));
  assert.ok(highestEpoch(NOW, last) > last + 1_000_000);
  assert.ok(highestEpoch(NOW, 3) === highestEpoch(NOW, undefined));
});
