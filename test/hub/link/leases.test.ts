/** Leases: who may hold one, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Leases } from '#hub/link/leases.js';
import { Presence } from '#hub/link/presence.js';
import type { Sender } from '#hub/link/sender.js';
import { DeviceSession } from '#hub/link/session.js';
import type { LeaseMessage } from '#protocol/link/lease.js';
import { cadence } from '#protocol/link/lease-policy.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function setUp() {
  const clock = new FakeClock();
  const presence = new Presence(clock);
  const sent: LeaseMessage[] = [];
  const sender: Pick<Sender, 'send'> = {
    send: (_session, kind, body) => {
      if (kind === 'lease') sent.push(body as LeaseMessage);
    },
  };
  const state = { settled: true };
  const leases = new Leases({
    clock,
    sender: sender as Sender,
    presence,
    classOf: () => 'exclusive',
    slowestBeatMs: () => undefined,
    isSettled: () => state.settled,
  });
  const granted = () => sent.splice(0).some(({ d }) => d !== undefined);
  return { clock, leases, state, granted };
}

test('a board that takes over a name gets no lease before the old one has let go', async () => {
  const { clock, leases, state, granted } = setUp();
  const old = new DeviceSession('kitchen', 1);
  await clock.advance(60_000);
  leases.beat(old, 1, { l: 1 });
  assert.equal(granted(), true);
  leases.handedOver('kitchen');
  const taker = new DeviceSession('kitchen', 2);
  const { leaseMs, stopMarginMs } = cadence('exclusive');
  leases.beat(taker, 1, { l: 1 });
  await clock.advance(leaseMs + stopMarginMs - 1);
  leases.beat(taker, 2, { l: 1 });
  state.settled = false;
  leases.beat(taker, 3, { l: 1 });
  leases.settled(taker);
  assert.equal(granted(), false);
  state.settled = true;
  await clock.advance(1);
  leases.beat(taker, 4, { l: 1 });
  assert.equal(granted(), true);
  const other = new DeviceSession('cellar', 1);
  leases.beat(other, 1, { l: 1 });
  assert.equal(granted(), true, 'other devices are not concerned');
});

test('after a restart of the hub the longest lease is waited for', async () => {
  const { clock, leases, granted } = setUp();
  leases.handedOver('kitchen');
  leases.beat(new DeviceSession('kitchen', 1), 1, { l: 1 });
  assert.equal(granted(), false);
  await clock.advance(600_000);
  leases.beat(new DeviceSession('kitchen', 1), 2, { l: 1 });
  assert.equal(granted(), true);
});
