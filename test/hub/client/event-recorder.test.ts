/** Events: counted when they repeat, combined when they differ too often, paced, bounded, and never in the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENTS } from '#hub/cache/resources.js';
import { createEventRecorder, type EventRecorder } from '#hub/client/event-recorder.js';
import type { Event } from '#protocol/core/v1/event.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { node, pod } from '#test/helpers/objects.js';

async function withRecorder(
  use: (parts: { client: FakeClient; clock: FakeClock; recorder: EventRecorder }) => Promise<void>,
): Promise<void> {
  const client = new FakeClient();
  const clock = new FakeClock();
  const recorder = createEventRecorder({ client, clock, logger: silentLogger, component: 'tester' });
  try {
    await use({ client, clock, recorder });
  } finally {
    await recorder[Symbol.asyncDispose]();
    assert.equal(clock.pendingTimers, 0);
  }
}

test('an event names its object, source and time', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    recorder.record(pod(), 'Normal', 'Started', 'Started it');
    await clock.advance(10);
    const [event] = client.all<Event>(EVENTS);
    assert.match(event?.metadata.name ?? '', /^web-0\.[0-9a-f]{16}$/);
    assert.equal(event?.metadata.namespace, 'default');
    assert.deepEqual(event?.involvedObject, {
      apiVersion: 'v1',
      kind: 'Pod',
      name: 'web-0',
      namespace: 'default',
      uid: 'uid-default-web-0',
      resourceVersion: '1',
    });
    assert.deepEqual(
      [event?.source.component, event?.reportingComponent, event?.count],
      ['tester', 'tester', 1],
    );
    assert.equal(event?.firstTimestamp, '2026-01-01T00:00:00Z');
  });
});

test('events of objects without a namespace go to default', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    recorder.record(node(), 'Normal', 'NodeReady', 'up');
    await clock.advance(10);
    assert.equal(client.all<Event>(EVENTS)[0]?.metadata.namespace, 'default');
  });
});

test('the same event again raises the count of the first', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    for (let i = 0; i < 3; i++) {
      recorder.record(pod(), 'Warning', 'BackOff', 'again');
      await clock.advance(5_000);
    }
    const events = client.all<Event>(EVENTS);
    assert.equal(events.length, 1);
    assert.equal(events[0]?.count, 3);
    assert.equal(events[0]?.firstTimestamp, '2026-01-01T00:00:00Z');
    assert.equal(events[0]?.lastTimestamp, '2026-01-01T00:00:10Z');
  });
});

test('an event that has expired meanwhile is written anew, count and all', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    recorder.record(pod(), 'Warning', 'BackOff', 'again');
    await clock.advance(10);
    client.remove(EVENTS, `default/${client.all<Event>(EVENTS)[0]?.metadata.name}`);
    recorder.record(pod(), 'Warning', 'BackOff', 'again');
    await clock.advance(10);
    assert.equal(client.all<Event>(EVENTS)[0]?.count, 2);
  });
});

test('many events that differ in their message alone become one', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    for (let i = 0; i < 30; i++) recorder.record(pod(), 'Warning', 'Failed', `attempt ${i}`);
    await clock.advance(1_000);
    const events = client.all<Event>(EVENTS);
    assert.equal(events.length, 11);
    const combined = events.find(({ message }) => message?.startsWith('(combined from similar events): '));
    assert.equal(combined?.count, 20);
  });
});

const named = (index: number) => pod({ metadata: { name: `p${index}`, uid: `uid-${index}` } });

test('when thousands of objects have news at once, all of it is written, at a pace', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    for (let i = 0; i < 3_000; i++) recorder.record(named(i), 'Normal', 'Scheduled', 'm');
    await clock.advance(100);
    assert.ok(client.all(EVENTS).length <= 530, `${client.all(EVENTS).length}`);
    await clock.advance(60_000);
    assert.equal(client.all(EVENTS).length, 3_000);
  });
});

test('what exceeds the queue is dropped, the oldest first', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    for (let i = 0; i < 25_000; i++) recorder.record(named(i), 'Normal', 'R', 'm');
    await clock.advance(180_000);
    const written = new Set(client.all<Event>(EVENTS).map(({ involvedObject }) => involvedObject.name));
    assert.ok(written.size >= 20_000 && written.size <= 20_010, `${written.size}`);
    assert.ok(written.has('p24999') && !written.has('p100'));
  });
});

test('one object is heard 25 times, then once in five minutes; others are not held up', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    const say = (count: number) => {
      for (let i = 0; i < count; i++) recorder.record(named(1), 'Warning', `Reason${i}`, 'm');
    };
    say(40);
    recorder.record(named(2), 'Normal', 'Other', 'm');
    await clock.advance(1_000);
    assert.equal(client.all(EVENTS).length, 26);
    await clock.advance(299_000);
    say(40);
    await clock.advance(1_000);
    // A repeat raises the count of the first, and needs leave to do so as well.
    const counts = client.all<Event>(EVENTS).map(({ count }) => count);
    assert.equal(counts.length, 26);
    assert.equal(
      counts.reduce((sum = 0, count = 0) => sum + count, 0),
      27,
    );
  });
});

test('an API that refuses harms nobody', async () => {
  await withRecorder(async ({ client, clock, recorder }) => {
    client.before = () => {
      throw ApiError.forbidden({ group: '', resource: 'events' }, '', 'the namespace is being terminated');
    };
    recorder.record(pod(), 'Normal', 'R', 'm');
    await clock.advance(1_000);
    assert.deepEqual(client.all(EVENTS), []);
  });
});
