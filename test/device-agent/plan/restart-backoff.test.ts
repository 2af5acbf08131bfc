import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDelay, nextStreak, remainingDelay, restartDelay } from '#device-agent/plan/restart-backoff.js';

test('the first crash restarts at once, then 10 s doubling to 5 min', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 50].map((streak) => restartDelay(streak) / 1000);
  assert.deepEqual(delays, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
});

test('a run of ten minutes makes the next crash the first again', () => {
  const ended = { exitCode: 1, reason: 'Error', startedAt: 0 };
  assert.equal(nextStreak(4, { ...ended, finishedAt: 599_999 }), 5);
  assert.equal(nextStreak(4, { ...ended, finishedAt: 600_000 }), 1);
  assert.equal(nextStreak(4, { exitCode: 1, reason: 'Error' }), 5);
});

const ELAPSED = [
  {
    name: 'counts from the end by the wall clock',
    now: 14_000,
    finishedAt: 10_000,
    seenForMs: 0,
    left: 6_000,
  },
  {
    name: 'a wall clock set back does not lengthen the wait',
    now: 1_000,
    finishedAt: 9_000_000,
    seenForMs: 4_000,
    left: 6_000,
  },
  { name: 'a wall clock set forward ends it', now: 9_000_000, finishedAt: 1_000, seenForMs: 0, left: 0 },
  {
    name: 'an unknown end counts from when it was seen',
    now: 0,
    finishedAt: undefined,
    seenForMs: 3_000,
    left: 7_000,
  },
];
for (const { name, left, ...elapsed } of ELAPSED)
  test(name, () => {
    assert.equal(remainingDelay(10_000, elapsed), left);
  });

test('delays read as kubelet prints them', () => {
  assert.deepEqual([10_000, 80_000, 300_000].map(formatDelay), ['10s', '1m20s', '5m0s']);
});
