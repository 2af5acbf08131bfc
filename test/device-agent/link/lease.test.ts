/** The device's lease and its beats, on a clock that only moves when told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beats } from '#device-agent/link/beats.js';
import { MonotonicLease } from '#device-agent/link/lease-holder.js';
import type { Beat } from '#protocol/link/beat.js';
import { cadence } from '#protocol/link/lease-policy.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

test('a lease counts from when its beat was sent, and runs out once on the monotonic clock', async () => {
  const clock = new FakeClock();
  const lease = new MonotonicLease(clock);
  let expired = 0;
  lease.onExpire(() => {
    expired += 1;
  });
  lease.beatSent(1);
  await clock.advance(3_000);
  lease.grant(1, 10_000);
  assert.equal(lease.remaining(), 7_000);
  clock.jumpWall(86_400_000);
  await clock.advance(6_999);
  assert.equal(expired, 0);
  await clock.advance(1);
  assert.equal(expired, 1);
  assert.equal(lease.remaining(), 0);
  await clock.advance(60_000);
  assert.equal(expired, 1);
});

test('a late, unknown or shorter grant changes nothing', async () => {
  const clock = new FakeClock();
  const lease = new MonotonicLease(clock);
  lease.grant(7, 10_000);
  assert.equal(lease.remaining(), 0);
  lease.beatSent(1);
  await clock.advance(10_000);
  lease.grant(1, 10_000);
  assert.equal(lease.remaining(), 0);
  lease.beatSent(2);
  lease.grant(2, 10_000);
  lease.beatSent(3);
  lease.grant(3, 5_000);
  assert.equal(lease.remaining(), 10_000);
  lease.beatSent(4);
  lease.newSession();
  lease.grant(4, 60_000);
  assert.equal(lease.remaining(), 10_000);
});

function makeBeats() {
  const clock = new FakeClock();
  const lease = new MonotonicLease(clock);
  const sent: Array<{ sequence: number; at: number } & Beat> = [];
  const unanswered: number[] = [];
  const beats = new Beats({
    clock,
    lease,
    send: (sequence, beat) => sent.push({ sequence, at: clock.monotonic(), ...beat }),
    unanswered: (waited) => unanswered.push(waited),
  });
  const answer = (durationMs: number, intervalMs: number) =>
    beats.answered({ b: sent.at(-1)?.sequence ?? 0, d: durationMs, i: intervalMs, t: 0 });
  return { clock, lease, sent, unanswered, beats, answer };
}

test('the first beat asks at once; each grant sets the cadence', async () => {
  const { clock, sent, beats, answer, lease } = makeBeats();
  beats.start();
  assert.deepEqual(sent, [{ sequence: 1, at: 0, l: 1 }]);
  answer(10_000, 2_000);
  assert.equal(lease.remaining(), 10_000);
  await clock.advance(2_000);
  assert.equal(sent.at(-1)?.at, 2_000);
});

test('an acceptance and a change of class are told at once, each once', async () => {
  const { clock, sent, beats, answer } = makeBeats();
  beats.start();
  answer(75_000, 30_000);
  beats.accepted(4);
  beats.accepted(5);
  beats.setClass('fast');
  await clock.advance(50);
  assert.deepEqual(sent.at(-1), { sequence: 2, at: 50, l: 1, a: 5, c: 'fast' });
  answer(10_000, 2_000);
  await clock.advance(2_000);
  assert.deepEqual(sent.at(-1), { sequence: 3, at: 2_050, l: 1 });
});

test('on a slow cadence only every fifth beat asks', async () => {
  const { clock, sent, beats, answer } = makeBeats();
  beats.setClass('relaxed');
  beats.start();
  const { leaseMs, beatIntervalMs } = cadence('relaxed');
  for (let beat = 0; beat < 11; beat++) {
    if (sent.at(-1)?.l === 1) answer(leaseMs, beatIntervalMs);
    await clock.advance(beatIntervalMs);
  }
  const asked = sent.map(({ l }, index) => (l === 1 ? index : -1)).filter((index) => index >= 0);
  assert.deepEqual(asked, [0, 5, 10]);
});

test('a question that stays unanswered means a half-open link', async () => {
  const { clock, unanswered, beats, answer } = makeBeats();
  beats.setClass('fast');
  beats.start();
  answer(10_000, 2_000);
  await clock.advance(7_000);
  assert.deepEqual(unanswered, []);
  await clock.advance(1_500);
  assert.deepEqual(unanswered, [6_000]);
});
