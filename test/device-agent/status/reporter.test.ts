import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_PENDING_EVENTS, PendingEvents } from '#device-agent/status/events.js';
import { Reporter } from '#device-agent/status/reporter.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { PodReport } from '#protocol/link/report.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function setUp() {
  const clock = new FakeClock();
  const sent: PodReport[] = [];
  const reporter = new Reporter({
    send: async (report) => void sent.push(report),
    clock,
    logger: silentLogger,
  });
  const update = (phase: 'Pending' | 'Running', message = '') =>
    reporter.update({ uid: 'u', namespace: 'n', name: 'p', revision: 'r', status: { phase, message } });
  return { clock, sent, reporter, update };
}

test('changes of one moment are one report, and what is unchanged is not told again', async () => {
  const { clock, sent, update } = setUp();
  update('Pending');
  update('Running');
  await clock.advance(0);
  assert.deepEqual(
    sent.map((report) => report.status.phase),
    ['Running'],
  );
  update('Running');
  await clock.advance(60_000);
  assert.equal(sent.length, 1);
});

test('a pod that changes all the time is told ever less often, a calm one at once', async () => {
  const { clock, sent, update } = setUp();
  for (let count = 0; count < 600; count++) {
    update('Running', `${count}`);
    await clock.advance(100);
  }
  assert.ok(sent.length < 20, `${sent.length} reports in a minute`);
  await clock.advance(20_000);
  assert.equal(sent.at(-1)?.status.message, '599', 'the last state always arrives');
  const before = sent.length;
  await clock.advance(20_000);
  update('Pending');
  await clock.advance(0);
  assert.equal(sent.length, before + 1);
});

test('events travel with the status of their pod', async () => {
  const { clock, sent, reporter, update } = setUp();
  reporter.event('u', { type: 'Normal', reason: 'Pulled', message: 'm', fieldPath: '' });
  await clock.advance(1_000);
  assert.equal(sent.length, 0, 'nothing is known of the pod yet');
  update('Running');
  await clock.advance(0);
  assert.deepEqual(
    sent[0]?.events.map((event) => event.reason),
    ['Pulled'],
  );
});

test('a removal is told at once and is the last word', async () => {
  const { clock, sent, reporter, update } = setUp();
  update('Running');
  await reporter.removed({ uid: 'u', namespace: 'n', name: 'p', revision: 'r2', status: {} });
  await clock.advance(60_000);
  assert.deepEqual(
    sent.map((report) => report.removed),
    [true],
  );
});

test('a report that could not be kept is told anew with the next change', async () => {
  const clock = new FakeClock();
  let broken = true;
  const sent: PodReport[] = [];
  const reporter = new Reporter({
    send: (report) => {
      if (broken) return Promise.reject(new Error('disk full'));
      sent.push(report);
      return Promise.resolve();
    },
    clock,
    logger: silentLogger,
  });
  const facts = { uid: 'u', namespace: 'n', name: 'p', revision: 'r', status: {} };
  reporter.update(facts);
  await clock.advance(0);
  broken = false;
  reporter.update(facts);
  await clock.advance(1_000);
  assert.equal(sent.length, 1);
});

test('equal events are counted, and there is a bound on different ones', () => {
  const events = new PendingEvents();
  for (let count = 0; count < 100; count++)
    events.add({ type: 'Warning', reason: 'BackOff', message: 'again', fieldPath: '' }, 0);
  for (let count = 0; count < 100; count++)
    events.add(
      { type: 'Warning', reason: 'Failed', message: `${count} ${'x'.repeat(3000)}`, fieldPath: '' },
      0,
    );
  const taken = events.take();
  assert.equal(taken.length, MAX_PENDING_EVENTS);
  assert.ok(taken.every((event) => event.message.length <= 1001));
  assert.equal(events.isEmpty, true);
  events.add({ type: 'Warning', reason: 'BackOff', message: 'again', fieldPath: '' }, 0);
  events.add({ type: 'Warning', reason: 'BackOff', message: 'again', fieldPath: '' }, 5_000);
  assert.deepEqual(
    events.take().map((event) => [event.count, event.time]),
    [[2, '1970-01-01T00:00:05Z']],
  );
});

test('an event keeps its beginning when it repeats, and no two of a pod begin together', () => {
  const events = new PendingEvents();
  const say = (reason: string, now: number) =>
    events.add({ type: 'Normal', reason, message: '', fieldPath: '' }, now);
  for (const reason of ['Created', 'Started', 'BackOff']) say(reason, 1_000);
  assert.deepEqual(
    events.take().map(({ since }) => since),
    [1_000_000, 1_000_001, 1_000_002],
  );
  say('Created', 9_000);
  // The clock was set back meanwhile.
  say('Killing', 500);
  assert.deepEqual(
    events.take().map(({ reason, since }) => [reason, since]),
    [
      ['Created', 1_000_000],
      ['Killing', 1_000_003],
    ],
  );
});
