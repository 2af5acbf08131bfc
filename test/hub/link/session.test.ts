/** Sessions and liveness on the hub: epochs decide, wills of older sessions do not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Presence } from '#hub/link/presence.js';
import { SessionBook } from '#hub/link/session.js';
import type { Hello } from '#protocol/link/hello.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function book() {
  const events: string[] = [];
  const sessions = new SessionBook({
    opened: ({ epoch }) => events.push(`open ${epoch}`),
    closed: ({ epoch }) => events.push(`close ${epoch}`),
  });
  return { events, sessions };
}

test('a newer epoch replaces the session, an older one has no effect', () => {
  const { events, sessions } = book();
  assert.equal(sessions.admit('a', 5)?.epoch, 5);
  assert.equal(sessions.admit('a', 5), sessions.current('a'));
  assert.equal(sessions.admit('a', 4), undefined);
  assert.equal(sessions.ended('a', 4), false);
  assert.equal(sessions.admit('a', 6)?.epoch, 6);
  assert.deepEqual(events, ['open 5', 'close 5', 'open 6']);
});

test('after its death a session does not come back, whatever arrives late', () => {
  const { sessions } = book();
  sessions.admit('a', 5);
  assert.equal(sessions.ended('a', 5), true);
  assert.equal(sessions.admit('a', 5), undefined);
  assert.equal(sessions.ended('b', 9), true);
  assert.equal(sessions.admit('b', 9), undefined);
  assert.equal(sessions.admit('b', 10)?.epoch, 10);
});

test('a stray epoch from the far future does not lock the device out', () => {
  const { sessions } = book();
  sessions.admit('a', 5);
  sessions.admit('a', 999_999_999);
  assert.equal(sessions.admit('a', 6), undefined);
  assert.equal(sessions.admit('a', 6, true)?.epoch, 6);
  assert.equal(sessions.current('a')?.epoch, 6);
});

test('a session that said hello is not replaced by an older birth', () => {
  const { sessions } = book();
  const session = sessions.admit('a', 7);
  assert.ok(session);
  session.hello = {} as Hello;
  assert.equal(sessions.admit('a', 6, true), undefined);
  assert.equal(sessions.current('a'), session);
});

test('liveness tells of connecting, of going, of another beat, and of being heard again after a silence', async () => {
  const clock = new FakeClock();
  const presence = new Presence(clock);
  const told: string[] = [];
  presence.subscribe((device) => told.push(device));
  assert.equal(presence.get('a'), undefined);
  const news = () => told.splice(0).length;
  presence.connected('a');
  assert.equal(news(), 1);
  for (let grants = 0; grants < 2; grants += 1) presence.granted('a', 10_000, 2_000);
  assert.equal(news(), 1);
  await clock.advance(2_000);
  presence.heard('a');
  assert.equal(news(), 0);
  await clock.advance(60_000);
  presence.heard('a');
  assert.equal(news(), 1);
  presence.disconnected('a');
  presence.disconnected('a');
  assert.equal(news(), 1);
  assert.equal(presence.get('a')?.connected, false);
});

test('while the hub cannot reach its broker, silence proves nothing, but leases run on', async () => {
  const clock = new FakeClock();
  const presence = new Presence(clock);
  presence.connected('a');
  presence.granted('a', 10_000, 2_000);
  const ends = presence.get('a')?.leaseEnds;
  presence.blind(true);
  await clock.advance(300_000);
  assert.equal(presence.get('a')?.lastHeard, clock.monotonic());
  assert.equal(presence.get('a')?.leaseEnds, ends);
  const told: string[] = [];
  presence.subscribe((device) => told.push(device));
  presence.blind(false);
  assert.deepEqual(told, ['a'], 'when it was heard last has changed');
  await clock.advance(1_000);
  assert.equal(presence.get('a')?.lastHeard, clock.monotonic() - 1_000);
});
