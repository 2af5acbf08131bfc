/** Events of devices: named by time, found again, counted once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { EVENTS } from '#hub/cache/resources.js';
import { DeviceEvents } from '#hub/link/device-events.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { ReportedEvent } from '#protocol/link/report.js';
import { formatTime } from '#protocol/meta/time.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { pod } from '#test/helpers/objects.js';

const CREATED = Date.UTC(2026, 0, 1);
const POD = pod({ metadata: { creationTimestamp: formatTime(CREATED) } });

function reported(reason: string, change: Partial<ReportedEvent> = {}): ReportedEvent {
  const time = formatTime(CREATED + 1000);
  return { type: 'Normal', reason, message: reason, fieldPath: '', time, count: 1, ...change };
}

function events() {
  const client = new FakeClient();
  const clock = new FakeClock(CREATED + 2000);
  let sequence = 0;
  return {
    client,
    clock,
    /** As a hub that was started just now. */
    write: (event: ReportedEvent, at = ++sequence) =>
      new DeviceEvents(client, clock).write(POD, event, { device: 'd', spool: 's', sequence: at }),
    inOrder: () =>
      client
        .all<Event>(EVENTS)
        .toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1))
        .map(({ reason }) => reason),
    all: () => client.all<Event>(EVENTS),
  };
}

const micros = (ms: number) => (CREATED + ms) * 1000;

test('events of a pod are listed in the order in which the device saw them', async () => {
  const { write, inOrder, all } = events();
  const reasons = ['Pulling', 'Pulled', 'Created', 'Started', 'Unhealthy', 'Killing', 'BackOff', 'Failed'];
  for (const [index, reason] of reasons.entries())
    await write(reported(reason, { since: micros(1000) + index }));
  assert.deepEqual(inOrder(), reasons);
  for (const { metadata } of all()) assert.match(metadata.name, /^web-0\.[0-9a-f]{16}$/);
});

test('a repeat finds its event again after a restart of the hub, and what came twice counts once', async () => {
  const { write, all } = events();
  const since = micros(1000);
  await write(reported('BackOff', { since }));
  await write(reported('BackOff', { since, count: 3, time: formatTime(CREATED + 60_000) }));
  await write(reported('BackOff', { since, count: 3, time: formatTime(CREATED + 60_000) }), 2);
  const [event, ...others] = all();
  assert.deepEqual(others, []);
  assert.equal(event?.count, 4);
  assert.deepEqual(
    [event?.firstTimestamp, event?.lastTimestamp],
    ['2026-01-01T00:00:01Z', '2026-01-01T00:01:00Z'],
  );
});

test('an event that expired is written anew', async () => {
  const { client, write, all } = events();
  const event = reported('BackOff', { since: micros(1000) });
  await write(event);
  client.remove(EVENTS, `default/${all()[0]?.metadata.name}`);
  await write(event);
  assert.equal(all()[0]?.count, 1);
});

test('a clock that cannot be right, or none, makes no difference to what is one event', async () => {
  for (const since of [undefined, 17, micros(365 * 24 * 3600_000)]) {
    const { write, all } = events();
    const time = since === undefined ? {} : { since };
    for (const reason of ['Pulled', 'Created', 'Pulled', 'Started']) await write(reported(reason, time));
    assert.deepEqual(
      all().map(({ reason, count }) => [reason, count]),
      [
        ['Pulled', 2],
        ['Created', 1],
        ['Started', 1],
      ],
    );
    const early = (BigInt(CREATED) * 1_000_000n).toString(16);
    const late = (BigInt(CREATED + 1000) * 1_000_000n).toString(16);
    for (const { metadata } of all()) {
      const suffix = metadata.name.split('.')[1] ?? '';
      assert.ok(suffix >= early && suffix < late, suffix);
    }
  }
});
