/** How Node and Device follow what a device says, and that what is removed stays gone. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DEVICES, FIRMWARE_PROFILES, NODES } from '#hub/cache/resources.js';
import { Nodes } from '#hub/link/nodes.js';
import type { Node } from '#protocol/core/v1/node.js';
import { FLEET_LABEL } from '#protocol/fleet/v1alpha1/well-known.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import { helloSchema } from '#protocol/link/hello.js';
import { type FakeCall, FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function setUp(t: TestContext) {
  const client = new FakeClient();
  const clock = new FakeClock();
  const counters = new LinkCounters(silentLogger);
  const nodes = new Nodes({ client, clock, random: () => 0.5, logger: silentLogger, counters });
  t.after(() => nodes[Symbol.asyncDispose]());
  const hello = (profile: string) =>
    helloSchema.parse({
      agentVersion: '1',
      bootId: 'b',
      profile,
      spool: 's',
      cadenceClass: 'idle',
      labels: {},
      node: {},
      has: {},
    });
  const say = async (profile: string) => {
    nodes.helloSaid('pi', 1, hello(profile));
    await clock.advance(1_000);
  };
  const profile = (name: string, spec: object) =>
    client.put(FIRMWARE_PROFILES, { metadata: { name }, spec } as never);
  const labels = () => client.all<Node>(NODES)[0]?.metadata.labels ?? {};
  return { client, clock, nodes, say, profile, labels };
}

test('a new card with another profile takes the labels of the old one away', async (t) => {
  const { say, profile, labels, client } = setUp(t);
  profile('hot', { storage: { kind: 'emmc' }, thermal: { throttleCelsius: 80 } });
  profile('plain', {});
  await say('hot');
  assert.deepEqual(
    [labels()[FLEET_LABEL.profile], labels()[FLEET_LABEL.storage], labels()[FLEET_LABEL.throttleCelsius]],
    ['hot', 'emmc', '80'],
  );
  client.change<Node>(NODES, 'pi', ({ metadata }) => {
    metadata.labels = { ...metadata.labels, 'a-person': 'chose' };
  });
  await say('plain');
  const { [FLEET_LABEL.profile]: now, 'a-person': chosen } = labels();
  assert.deepEqual([now, chosen], ['plain', 'chose']);
  assert.ok(!(FLEET_LABEL.storage in labels()) && !(FLEET_LABEL.throttleCelsius in labels()));
  const { length } = client.calls;
  await say('plain');
  assert.equal(client.calls.length, length, 'nothing is written in vain');
  await say('');
  assert.ok(!(FLEET_LABEL.profile in labels()));
});

test('a device that is removed while its objects are written does not come back with them', async (t) => {
  for (const step of ['get nodes', 'get devices']) {
    const { client, clock, nodes, say } = setUp(t);
    await say('');
    let cut = false;
    client.before = ({ verb, resource }: FakeCall) => {
      if (cut || `${verb} ${resource}` !== step) return;
      cut = true;
      nodes.forget('pi');
      client.remove(NODES, 'pi');
      client.remove(DEVICES, 'pi');
    };
    await say('other');
    await clock.advance(60_000);
    assert.ok(cut);
    assert.deepEqual([client.all(NODES).length, client.all(DEVICES).length], [0, 0], step);
  }
});
