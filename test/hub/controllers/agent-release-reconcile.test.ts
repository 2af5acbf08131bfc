/** The agent-release controller against the API: offers on Devices, the status of the release, Events on both. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { AGENT_RELEASES, DEVICES, NODES } from '#hub/cache/resources.js';
import type { Client, ResourceId, WatchParams } from '#hub/client/client.js';
import { OFFER_LIMIT_MS, offerOf, rank } from '#hub/controllers/agent-release/assign.js';
import { agentReleaseController } from '#hub/controllers/agent-release/reconcile.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { UpdateState } from '#protocol/link/agent-update.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { formatTime } from '#protocol/meta/time.js';
import { agentRelease } from '#test/helpers/agent-releases.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { device, node } from '#test/helpers/objects.js';

/** News of this client come one by one, each when `gate` lets it through. */
function slowNews(client: FakeClient, gate: (object: KubernetesObject) => Promise<void>): Client {
  return {
    as: () => client,
    resource: <T extends KubernetesObject>(id: ResourceId) => ({
      ...client.resource<T>(id),
      watch: async function* (params: WatchParams) {
        for await (const batch of client.resource<T>(id).watch(params))
          for (const event of batch) {
            await gate(event.object as KubernetesObject);
            yield [event];
          }
      },
    }),
  };
}

function setUp(t: TestContext, gate: (object: KubernetesObject) => Promise<void> = async () => undefined) {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory(slowNews(client, gate), clock, silentLogger, () => 0.5);
  const events: string[] = [];
  const controller = agentReleaseController({
    client,
    clock,
    informers,
    events: {
      record: (object, type, reason, message) =>
        void events.push(`${type} ${object.metadata.name} ${reason}: ${message}`),
      [Symbol.asyncDispose]: async () => undefined,
    },
    logger: silentLogger,
    random: () => 0.5,
  });
  t.after(async () => {
    await controller[Symbol.asyncDispose]();
    await informers[Symbol.asyncDispose]();
  });
  const addDevice = (name: string) => {
    client.put(NODES, node({ metadata: { name, labels: { 'kubernetes.io/arch': 'arm64' } } }));
    client.put(
      DEVICES,
      device({ metadata: { name }, status: { presence: 'Online', agentRelease: '1.0.0' } }),
    );
  };
  const offers = () =>
    client
      .all<Device>(DEVICES)
      .filter(({ status }) => status.updateOffer !== undefined)
      .map(({ metadata, status }) => `${metadata.name} ${status.updateOffer?.release}`);
  const says = (name: string, state: UpdateState, running: string, reason?: string) =>
    client.change<Device>(DEVICES, name, (draft) => {
      const offer = draft.status.updateOffer?.offer ?? draft.status.update?.offer ?? '';
      draft.status.agentRelease = running;
      draft.status.update = { offer, version: '2.0.0', state, ...(reason === undefined ? {} : { reason }) };
    });
  const release = () => client.all<AgentRelease>(AGENT_RELEASES)[0];
  return { client, clock, events, addDevice, offers, says, release };
}

test('a release goes through a fleet, one device at a time', async (t) => {
  const { client, clock, events, addDevice, offers, says, release } = setUp(t);
  for (const name of ['a', 'b']) addDevice(name);
  client.put(AGENT_RELEASES, agentRelease({ version: '2.0.0', rollout: { maxInFlight: 1 } }));
  await clock.advance(1_000);
  const [first = ''] = offers();
  assert.equal(offers().length, 1);
  assert.equal(release()?.status.phase, 'Progressing');
  assert.equal(release()?.status.updating, 1);
  const [name = ''] = first.split(' ');
  says(name, 'OnTrial', '2.0.0');
  await clock.advance(1_000);
  assert.deepEqual(offers(), [first], 'the other must wait until the trial is over');
  says(name, 'Updated', '2.0.0');
  await clock.advance(1_000);
  const [second = ''] = offers();
  assert.equal(offers().length, 1);
  assert.notEqual(second, first);
  says(second.split(' ')[0] ?? '', 'Updated', '2.0.0');
  await clock.advance(1_000);
  assert.deepEqual(offers(), []);
  assert.equal(release()?.status.phase, 'Complete');
  assert.equal(release()?.status.updated, 2);
  assert.ok(events.includes(`Normal ${name} AgentUpdated: Runs agent release 2.0.0`));
  assert.ok(events.some((event) => event.startsWith('Normal 2.0.0 RolloutComplete')));
});

test('a failure halts it, is named, and nothing more is written while nothing changes', async (t) => {
  const { client, clock, events, addDevice, offers, says, release } = setUp(t);
  for (const name of ['a', 'b', 'c']) addDevice(name);
  client.put(AGENT_RELEASES, agentRelease({ version: '2.0.0', rollout: { maxInFlight: 1 } }));
  await clock.advance(1_000);
  const [name = ''] = (offers()[0] ?? '').split(' ');
  says(name, 'Failed', '1.0.0', 'ended 3 times');
  await clock.advance(1_000);
  assert.deepEqual(offers(), []);
  const status = release()?.status;
  assert.equal(status?.phase, 'Halted');
  assert.deepEqual(status?.failures, [{ device: name, reason: 'ended 3 times' }]);
  assert.ok(events.includes(`Warning ${name} AgentUpdateFailed: Agent release 2.0.0: ended 3 times`));
  assert.ok(events.includes(`Warning 2.0.0 DeviceFailed: ${name}: ended 3 times`));
  assert.ok(
    events.some((event) => event.startsWith('Warning 2.0.0 RolloutHalted: halted at 1 of at most 1')),
  );
  const { length } = client.calls;
  await clock.advance(3_600_000);
  assert.equal(client.calls.length, length);
});

test('a hub that was away for long takes no silence of devices for failure, and asks them anew', async (t) => {
  const { client, clock, events, addDevice, offers, says, release } = setUp(t);
  const published = agentRelease({ version: '2.0.0' });
  client.put(AGENT_RELEASES, published);
  addDevice('a');
  const offered = clock.now();
  await clock.advance(OFFER_LIMIT_MS + 1);
  client.change<Device>(DEVICES, 'a', ({ status }) => {
    const offer = offerOf(published);
    status.lastHeardTime = formatTime(offered);
    status.updateOffer = { release: '2.0.0', offer, time: formatTime(offered) };
  });
  says('a', 'Installing', '1.0.0', 'the hub was not reachable; it is tried again');
  await clock.advance(1_000);
  assert.deepEqual([release()?.status.phase, release()?.status.failed], ['Progressing', 0]);
  assert.equal(client.all<Device>(DEVICES)[0]?.status.updateOffer ?? undefined, undefined);
  client.change<Device>(DEVICES, 'a', ({ status }) => {
    status.lastHeardTime = formatTime(clock.now());
  });
  await clock.advance(1_000);
  assert.deepEqual(offers(), ['a 2.0.0']);
  assert.deepEqual(
    events.filter((event) => /Halted|Failed/.test(event)),
    [],
  );
});

test('an offer counts before the news of it have come', async (t) => {
  let letThrough: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letThrough = resolve;
  });
  const gate = async (object: KubernetesObject) => {
    if ((object as Device).status?.updateOffer !== undefined) await held;
  };
  const { client, clock, addDevice, offers } = setUp(t, gate);
  const release = agentRelease({ version: '2.0.0', rollout: { percentage: 50 } });
  const [first = '', second = ''] = ['a', 'b'].sort((a, b) => (rank(a, release) < rank(b, release) ? -1 : 1));
  for (const name of [first, second]) addDevice(name);
  const presence = (name: string, now: 'Online' | 'Offline') =>
    client.change<Device>(DEVICES, name, ({ status }) => {
      status.presence = now;
    });
  presence(first, 'Offline');
  // The one whose turn it would have been is back in the moment when the other is offered the release.
  client.before = ({ verb, resource }) => {
    if (verb !== 'patch' || resource !== 'devices') return;
    client.before = () => undefined;
    presence(first, 'Online');
  };
  client.put(AGENT_RELEASES, release);
  await clock.advance(2_000);
  assert.deepEqual(offers(), [`${second} 2.0.0`]);
  letThrough();
  await clock.advance(2_000);
  assert.deepEqual(offers(), [`${second} 2.0.0`]);
});

test('deleting a release withdraws what it offered', async (t) => {
  const { client, clock, addDevice, offers } = setUp(t);
  addDevice('a');
  client.put(AGENT_RELEASES, agentRelease({ version: '2.0.0' }));
  await clock.advance(1_000);
  assert.deepEqual(offers(), ['a 2.0.0']);
  client.remove(AGENT_RELEASES, '2.0.0');
  await clock.advance(1_000);
  assert.deepEqual(client.all<Device>(DEVICES)[0]?.status.updateOffer ?? null, null);
});
