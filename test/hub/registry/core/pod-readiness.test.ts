/** Pods with readiness gates: Ready follows the containers and the gates' conditions, whoever writes which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { Pod, PodCondition } from '#protocol/core/v1/pod.js';
import { findCondition, setCondition } from '#protocol/meta/condition.js';
import { pod } from '#test/helpers/objects.js';
import { type TestRegistry, testRegistry } from '#test/helpers/registry.js';

const GATES = [{ conditionType: 'acme.io/open' }, { conditionType: 'acme.io/paid' }];

async function setUp(gates = GATES) {
  const hub = await testRegistry();
  await hub.create('pods', pod({ metadata: { name: 'p' }, spec: { readinessGates: gates } }));
  return hub;
}

/** Writes one condition through pods/status, as anybody may, and returns what is stored then. */
async function say(hub: TestRegistry, type: string, status: string, more: Partial<PodCondition> = {}) {
  await hub.storage('pods').update(hub.scope('default'), 'p', 'status', (current) => {
    const { status: before, ...rest } = structuredClone(current) as Pod;
    const conditions = setCondition(before.conditions, { type, status, ...more }, '2026-01-01T00:00:00Z');
    return { ...rest, status: { ...before, conditions } };
  });
  const stored = objectOf<Pod>(await hub.storage('pods').get(hub.scope('default'), 'p'));
  return { stored, ready: findCondition(stored.status.conditions, 'Ready') };
}

test('the pod is ready once its containers are and every gate is fulfilled', async () => {
  await using hub = await setUp();
  const first = await say(hub, 'ContainersReady', 'True');
  assert.deepEqual(first.ready, {
    type: 'Ready',
    status: 'False',
    lastTransitionTime: '2026-01-01T00:00:00Z',
    reason: 'ReadinessGatesNotReady',
    message:
      'corresponding condition of pod readiness gate "acme.io/open" does not exist., ' +
      'corresponding condition of pod readiness gate "acme.io/paid" does not exist.',
  });
  await hub.clock.advance(60_000);
  await say(hub, 'acme.io/paid', 'True');
  const refused = await say(hub, 'acme.io/open', 'False');
  assert.equal(
    refused.ready?.message,
    'the status of pod readiness gate "acme.io/open" is not "True", but False',
  );
  assert.equal(refused.ready?.lastTransitionTime, '2026-01-01T00:00:00Z', 'it was not ready before either');
  const { ready } = await say(hub, 'acme.io/open', 'True');
  assert.deepEqual(ready, { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:01:00Z' });
});

test('a gate that opens before the containers are ready counts, and one that closes ends readiness', async () => {
  await using hub = await setUp([{ conditionType: 'acme.io/open' }]);
  assert.equal((await say(hub, 'acme.io/open', 'True')).ready, undefined, 'no device has said anything yet');
  const waiting = await say(hub, 'ContainersReady', 'False', { reason: 'ContainersNotReady', message: 'm' });
  assert.equal(waiting.ready?.status, 'False');
  assert.equal(waiting.ready?.reason, 'ContainersNotReady');
  assert.equal(waiting.ready?.message, 'm');
  assert.equal((await say(hub, 'ContainersReady', 'True')).ready?.status, 'True');
  assert.equal((await say(hub, 'acme.io/open', 'Unknown')).ready?.status, 'False');
});

test('Ready cannot be set against the gates, and writing what is there already changes nothing', async () => {
  await using hub = await setUp();
  const before = await say(hub, 'ContainersReady', 'True');
  await hub.clock.advance(60_000);
  const after = await say(hub, 'Ready', 'True');
  assert.deepEqual(after.stored, before.stored);
});

test('a pod whose device is silent stays unready until that is taken back, and then its gates count', async () => {
  await using hub = await setUp([{ conditionType: 'acme.io/open' }]);
  await say(hub, 'acme.io/open', 'True');
  await say(hub, 'ContainersReady', 'True');
  const silent = await say(hub, 'Ready', 'False', { reason: 'NodeNotReady' });
  assert.deepEqual([silent.ready?.status, silent.ready?.reason], ['False', 'NodeNotReady']);
  const other = await say(hub, 'acme.io/other', 'True');
  assert.deepEqual(other.ready, silent.ready);
  assert.equal((await say(hub, 'Ready', 'True')).ready?.status, 'True');
  await say(hub, 'Ready', 'False', { reason: 'NodeNotReady' });
  await say(hub, 'acme.io/open', 'False');
  assert.equal((await say(hub, 'Ready', 'True')).ready?.reason, 'ReadinessGatesNotReady');
  await say(hub, 'Ready', 'False', { reason: 'NodeNotReady' });
  const ended = await say(hub, 'ContainersReady', 'False', { reason: 'PodFailed' });
  assert.equal(ended.ready?.reason, 'PodFailed', 'what the device says comes on top');
});

test('without gates Ready is what is reported', async () => {
  await using hub = await setUp([]);
  await say(hub, 'ContainersReady', 'True');
  assert.equal((await say(hub, 'Ready', 'False')).ready?.status, 'False');
  assert.equal((await say(hub, 'Ready', 'True')).ready?.status, 'True');
});
