/** When a device counts as dead, and when it is trusted again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DeviceMemory,
  firstMemory,
  type Judgement,
  judge,
  type Observation,
  stableAfterMs,
} from '#hub/controllers/device-lifecycle/judge.js';
import { HUB_RESTART_GRACE_MS, WILL_CONFIRMATION_MS } from '#protocol/link/lease-policy.js';

const HOUR = 3_600_000;

/** A device that has been connected for an hour and was heard of at `lastHeard`. */
function seen(
  now: number,
  lastHeard: number,
  connected = true,
  given: Partial<Observation> = {},
): Observation {
  return {
    liveness: { device: 'd', connected, lastHeard, leaseEnds: lastHeard + 10_000, beatInterval: 2_000 },
    cadenceClass: 'fast',
    countFrom: 0,
    hubStartedAt: 0,
    now,
    ...given,
  };
}

const met: DeviceMemory = { ...firstMemory(false), met: true };

describe('death', () => {
  test('a fast device is dead after seven seconds of silence, not before', () => {
    assert.equal(judge(met, seen(HOUR + 6_999, HOUR)).verdict, 'alive');
    assert.equal(judge(met, seen(HOUR + 7_000, HOUR)).verdict, 'dead');
    assert.equal(judge(met, seen(HOUR, HOUR)).recheckAt, HOUR + 7_000);
  });

  test('an idle device may be silent for 75 seconds, a relaxed one for five minutes', () => {
    const idle = { cadenceClass: 'idle' } as const;
    const relaxed = { cadenceClass: 'relaxed' } as const;
    assert.equal(judge(met, seen(HOUR + 74_000, HOUR, true, idle)).verdict, 'alive');
    assert.equal(judge(met, seen(HOUR + 75_000, HOUR, true, idle)).verdict, 'dead');
    assert.equal(judge(met, seen(HOUR + 299_000, HOUR, true, relaxed)).verdict, 'alive');
    assert.equal(judge(met, seen(HOUR + 300_000, HOUR, true, relaxed)).verdict, 'dead');
  });

  test('a device that was idle is held to the beats of its first pod from the moment that it has one', () => {
    const idle = judge(met, seen(HOUR + 30_000, HOUR, true, { cadenceClass: 'idle' }));
    const given = judge(idle.memory, seen(HOUR + 40_000, HOUR));
    assert.equal(given.verdict, 'alive');
    assert.equal(given.recheckAt, HOUR + 47_000);
    assert.equal(judge(given.memory, seen(HOUR + 46_999, HOUR)).verdict, 'alive');
    assert.equal(judge(given.memory, seen(HOUR + 47_000, HOUR)).verdict, 'dead');
  });

  test('a device that said that its agent restarts is waited for, and no longer than that', () => {
    const away = (now: number, connected: boolean): Observation => {
      const observed = seen(now, HOUR, connected);
      return { ...observed, liveness: { ...observed.liveness, expectedBy: HOUR + 120_000 } as never };
    };
    const gone = judge(met, away(HOUR + 1_000, false));
    assert.equal(gone.verdict, 'waiting');
    assert.equal(gone.recheckAt, HOUR + 120_000);
    assert.equal(judge(gone.memory, away(HOUR + 119_999, false)).verdict, 'waiting');
    assert.equal(judge(gone.memory, away(HOUR + 120_000, false)).verdict, 'dead');
    // Also one whose end the broker has not noticed.
    assert.equal(judge(met, away(HOUR + 119_999, true)).verdict, 'alive');
    assert.equal(judge(met, away(HOUR + 120_000, true)).verdict, 'dead');
  });

  test('a will is believed after a confirmation time, unless the device is back', () => {
    const gone = judge(met, seen(HOUR, HOUR, false));
    assert.equal(gone.verdict, 'waiting');
    assert.equal(gone.recheckAt, HOUR + WILL_CONFIRMATION_MS);
    assert.equal(judge(gone.memory, seen(HOUR + WILL_CONFIRMATION_MS, HOUR, false)).verdict, 'dead');
    assert.equal(judge(gone.memory, seen(HOUR + 4_000, HOUR + 4_000)).verdict, 'alive');
  });
});

describe('a start of the hub', () => {
  test('nobody is dead before the grace is over', () => {
    const unheard = (now: number) => judge(firstMemory(false), seen(now, 0, false));
    assert.equal(unheard(10_000).verdict, 'waiting');
    assert.equal(unheard(HUB_RESTART_GRACE_MS - 1).verdict, 'waiting');
    assert.equal(unheard(HUB_RESTART_GRACE_MS).verdict, 'dead');
  });

  test('a device that the link does not know gets the grace too', () => {
    const unknown = (now: number): Observation => ({ ...seen(now, 0), liveness: undefined });
    assert.equal(judge(firstMemory(false), unknown(HUB_RESTART_GRACE_MS - 1)).verdict, 'waiting');
    assert.equal(judge(firstMemory(false), unknown(HUB_RESTART_GRACE_MS)).verdict, 'dead');
  });

  test('a stall of the hub itself is not held against the devices', () => {
    const stalled = { countFrom: HOUR + 60_000 };
    assert.equal(judge(met, seen(HOUR + 60_000, HOUR, true, stalled)).verdict, 'alive');
    assert.equal(judge(met, seen(HOUR + 67_000, HOUR, true, stalled)).verdict, 'dead');
  });
});

describe('return', () => {
  const died = judge(met, seen(HOUR, HOUR - 7_000));

  test('a dead device is alive again only after it has been stable', () => {
    assert.equal(died.verdict, 'dead');
    const back = judge(died.memory, seen(HOUR + 20_000, HOUR + 20_000));
    assert.equal(back.verdict, 'waiting');
    assert.equal(judge(back.memory, seen(HOUR + 22_999, HOUR + 22_000)).verdict, 'waiting');
    assert.equal(judge(back.memory, seen(HOUR + 23_000, HOUR + 22_000)).verdict, 'alive');
  });

  test('a return that breaks off starts anew', () => {
    const back = judge(died.memory, seen(HOUR + 20_000, HOUR + 20_000));
    const off = judge(back.memory, seen(HOUR + 21_000, HOUR + 20_000, false));
    assert.equal(off.verdict, 'dead');
    const again = judge(off.memory, seen(HOUR + 24_000, HOUR + 24_000));
    assert.equal(again.verdict, 'waiting');
    assert.equal(judge(again.memory, seen(HOUR + 26_000, HOUR + 26_000)).verdict, 'waiting');
  });

  test('each death doubles the time, up to a minute, until it has been quiet', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 9].map(stableAfterMs),
      [3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000],
    );
    let judgement: Judgement = died;
    let now = HOUR;
    for (let death = 2; death <= 3; death++) {
      now += 30_000;
      judgement = judge(judgement.memory, seen(now, now));
      judgement = judge(judgement.memory, seen(now + 30_000, now + 30_000));
      assert.equal(judgement.verdict, 'alive');
      judgement = judge(judgement.memory, seen(now + 40_000, now + 30_000));
      assert.equal(judgement.verdict, 'dead');
      assert.equal(judgement.memory.deaths, death);
      now += 40_000;
    }
    judgement = judge(judgement.memory, seen(now + 1, now + 1));
    judgement = judge(judgement.memory, seen(now + 600_001, now + 600_001));
    assert.equal(judgement.verdict, 'alive');
    assert.equal(judgement.memory.deaths, 0);
  });

  test('a death that an earlier hub has judged needs the same stability', () => {
    const back = judge(firstMemory(true), seen(1_000, 1_000));
    assert.equal(back.verdict, 'waiting');
    assert.equal(judge(back.memory, seen(4_000, 4_000)).verdict, 'alive');
  });
});
