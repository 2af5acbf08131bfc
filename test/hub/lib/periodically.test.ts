/** Periodic work: when it runs, that a failure does not end it, and that disposing does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { periodically } from '#hub/lib/periodically.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

test('work runs once per interval, goes on after a failure, and ends with its owner', async () => {
  const clock = new FakeClock();
  let runs = 0;
  const work = periodically({
    name: 'work',
    intervalMs: 1_000,
    clock,
    logger: silentLogger,
    work: async () => {
      runs += 1;
      if (runs === 2) throw new Error('once');
    },
  });
  await clock.advance(999);
  assert.equal(runs, 0);
  await clock.advance(1);
  assert.equal(runs, 1);
  await clock.advance(2_000);
  assert.equal(runs, 3);
  await work[Symbol.asyncDispose]();
  await clock.advance(5_000);
  assert.equal(runs, 3);
});
