/** The whole scheduler over a fake API: binding, explaining, retrying, and never overcommitting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { EVENTS, NODES, PODS } from '#hub/cache/resources.js';
import { type KnownImages, startScheduler } from '#hub/scheduler/scheduler.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { node, pod } from '#test/helpers/objects.js';

async function withScheduler(
  use: (parts: { client: FakeClient; clock: FakeClock }) => Promise<void>,
  images?: KnownImages,
): Promise<void> {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory(client, clock, silentLogger, () => 0.5);
  const scheduler = startScheduler({
    ...{ client, informers, clock, logger: silentLogger, random: () => 0 },
    ...(images && { images }),
  });
  try {
    await use({ client, clock });
  } finally {
    await scheduler[Symbol.asyncDispose]();
    await informers[Symbol.asyncDispose]();
    assert.equal(clock.pendingTimers, 0, 'no timer is left behind');
  }
}

const cpu = (amount: string, name: string) =>
  pod({
    metadata: { name },
    spec: { containers: [{ name: 'main', image: 'tiny:1', resources: { requests: { cpu: amount } } }] },
  });

const nodeOf = (client: FakeClient, name: string) =>
  client.all<Pod>('pods').find((one) => one.metadata.name === name)?.spec.nodeName;

test('a pod is bound and the Scheduled event says where', async () => {
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node());
    client.put(PODS, pod());
    await clock.advance(100);
    assert.equal(nodeOf(client, 'web-0'), 'device-1');
    const [event] = client.all<Event>(EVENTS);
    assert.equal(event?.reason, 'Scheduled');
    assert.equal(event?.message, 'Successfully assigned default/web-0 to device-1');
    assert.equal(event?.source.component, 'default-scheduler');
  });
});

test('a pod that does not fit says why, once, and is bound when a node appears', async () => {
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node());
    client.put(PODS, cpu('8', 'big'));
    await clock.advance(100);
    const [waiting] = client.all<Pod>('pods');
    const condition = waiting?.status.conditions?.find(({ type }) => type === 'PodScheduled');
    assert.deepEqual(
      [condition?.status, condition?.reason, condition?.message],
      ['False', 'Unschedulable', '0/1 nodes are available: 1 Insufficient cpu.'],
    );
    assert.equal(client.all<Event>(EVENTS)[0]?.reason, 'FailedScheduling');
    const writes = client.calls.length;
    await clock.advance(50_000);
    assert.equal(client.calls.length, writes, 'nothing is written while nothing changes');
    client.put(
      NODES,
      node({ metadata: { name: 'large' }, status: { allocatable: { cpu: '16', memory: '1Gi', pods: '9' } } }),
    );
    await clock.advance(100);
    assert.equal(nodeOf(client, 'big'), 'large');
  });
});

test('pods that compete for the last room: only one gets it', async () => {
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node());
    for (const name of ['a', 'b', 'c']) client.put(PODS, cpu('3', name));
    await clock.advance(1_000);
    const bound = client.all<Pod>('pods').filter(({ spec }) => spec.nodeName);
    assert.equal(bound.length, 1);
    client.remove(PODS, `default/${bound[0]?.metadata.name}`);
    await clock.advance(1_000);
    assert.equal(client.all<Pod>('pods').filter(({ spec }) => spec.nodeName).length, 1);
  });
});

test('a refused binding gives the room back and is tried again', async () => {
  await withScheduler(async ({ client, clock }) => {
    let refuse = true;
    client.before = ({ subresource }) => {
      if (subresource === 'binding' && refuse) throw ApiError.internal(new Error('store is busy'));
    };
    client.put(NODES, node());
    client.put(PODS, cpu('3', 'a'));
    await clock.advance(100);
    assert.equal(nodeOf(client, 'a'), undefined);
    refuse = false;
    await clock.advance(2_000);
    assert.equal(nodeOf(client, 'a'), 'device-1');
  });
});

test('a pod whose image is not built for any node is bound soon after it is pushed for one', async () => {
  const known = new Map([['tiny:1', ['amd64']]]);
  const subscribers = new Set<() => void>();
  const images: KnownImages = {
    architectures: (image) => known.get(image),
    subscribe: (changed) => {
      subscribers.add(changed);
      return { [Symbol.dispose]: () => void subscribers.delete(changed) };
    },
  };
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node({ metadata: { labels: { 'kubernetes.io/arch': 'arm64' } } }));
    client.put(PODS, cpu('1', 'web'));
    await clock.advance(5_000);
    assert.equal(nodeOf(client, 'web'), undefined);
    known.set('tiny:1', ['amd64', 'arm64']);
    for (const changed of subscribers) changed();
    await clock.advance(100);
    assert.equal(nodeOf(client, 'web'), 'device-1');
  }, images);
  assert.equal(subscribers.size, 0);
});

test('gated pods wait, pods of other schedulers are left alone', async () => {
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node());
    const gated = pod({
      metadata: { name: 'gated' },
      spec: { ...pod().spec, schedulingGates: [{ name: 'wait' }] },
    });
    client.put(PODS, gated);
    client.put(PODS, pod({ metadata: { name: 'foreign' }, spec: { ...pod().spec, schedulerName: 'mine' } }));
    await clock.advance(100);
    assert.equal(nodeOf(client, 'gated'), undefined);
    assert.equal(nodeOf(client, 'foreign'), undefined);
    const held = client.all<Pod>('pods').find(({ metadata }) => metadata.name === 'gated');
    assert.equal(held?.status.conditions?.[0]?.reason, 'SchedulingGated');
    client.change<Pod>(PODS, 'default/gated', (draft) => {
      draft.spec.schedulingGates = [];
      draft.metadata.generation = 2;
    });
    await clock.advance(100);
    assert.equal(nodeOf(client, 'gated'), 'device-1');
  });
});

test('a node that is uncordoned takes the pods that waited for it', async () => {
  await withScheduler(async ({ client, clock }) => {
    client.put(NODES, node({ spec: { unschedulable: true } }));
    client.put(PODS, pod());
    await clock.advance(100);
    assert.equal(nodeOf(client, 'web-0'), undefined);
    client.change(NODES, 'device-1', (draft: ReturnType<typeof node>) => {
      draft.spec.unschedulable = false;
    });
    await clock.advance(1_000);
    assert.equal(nodeOf(client, 'web-0'), 'device-1');
  });
});
