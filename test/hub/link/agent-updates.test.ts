/** Offers of releases on their way to a device: sent in every session until they are over, withdrawn when they are. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { AGENT_RELEASES, DEVICES } from '#hub/cache/resources.js';
import { AgentUpdates } from '#hub/link/agent-updates.js';
import type { Sender } from '#hub/link/sender.js';
import { DeviceSession } from '#hub/link/session.js';
import type { Device, UpdateOffered } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { AgentUpdate, UpdateState } from '#protocol/link/agent-update.js';
import type { Command } from '#protocol/link/command.js';
import type { Hello } from '#protocol/link/hello.js';
import { agentRelease } from '#test/helpers/agent-releases.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { device } from '#test/helpers/objects.js';

const OFFERED: UpdateOffered = { release: '2.0.0', offer: 'uid-of-2.0.0/1' };
const KEYED: AgentUpdate = { release: '1.0.0', hasKey: true };

async function setUp(t: TestContext) {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory(client, clock, silentLogger, () => 0.5);
  const sent: Command[] = [];
  let session: DeviceSession | undefined;
  const updates = new AgentUpdates({
    informers,
    sender: {
      send: (_session: DeviceSession, _kind: string, body: Command) => sent.push(body),
    } as unknown as Sender,
    releaseKey: 'the public key',
    session: () => session,
  });
  t.after(async () => {
    updates[Symbol.dispose]();
    await informers[Symbol.asyncDispose]();
  });
  let epoch = 0;
  const connect = (update: AgentUpdate | undefined, architecture = 'arm64') => {
    epoch += 1;
    session = new DeviceSession('pi', epoch);
    session.hello = { update, node: { nodeInfo: { architecture } } } as Hello;
    updates.helloSaid(session, update);
  };
  const offer = (updateOffer: UpdateOffered | undefined) => {
    const status = updateOffer === undefined ? {} : { updateOffer };
    client.put(DEVICES, device({ metadata: { name: 'pi' }, status }));
    return clock.advance(100);
  };
  /** What was sent since the last time, in short. */
  const news = () =>
    sent.splice(0).map((command) => ('offer' in command ? `${command.kind} ${command.offer}` : command.kind));
  client.put(AGENT_RELEASES, agentRelease({ version: '2.0.0' }));
  await offer(undefined);
  const disconnect = () => {
    session = undefined;
  };
  return { client, clock, connect, disconnect, offer, news, sent };
}

test('an offer is sent once in a session, and again in the next', async (t) => {
  const { connect, offer, news, sent, client, clock } = await setUp(t);
  connect(KEYED);
  await offer(OFFERED);
  const [command] = sent;
  assert.ok(command?.kind === 'update-agent');
  assert.equal(command.version, '2.0.0');
  assert.equal(command.healthySeconds, 300);
  assert.equal(command.digest, `sha256:${'0'.repeat(64)}`);
  assert.deepEqual(news(), ['update-agent uid-of-2.0.0/1']);
  client.change<Device>(DEVICES, 'pi', (draft) => {
    draft.status.agentVersion = 'something else';
  });
  await clock.advance(100);
  assert.deepEqual(news(), []);
  connect(KEYED);
  assert.deepEqual(news(), ['update-agent uid-of-2.0.0/1']);
});

test('an offer that is gone is withdrawn from the session that has it', async (t) => {
  const { connect, offer, news } = await setUp(t);
  connect(KEYED);
  await offer(OFFERED);
  await offer(undefined);
  assert.deepEqual(news(), ['update-agent uid-of-2.0.0/1', 'withdraw-update uid-of-2.0.0/1']);
  connect(KEYED);
  assert.deepEqual(news(), []);
});

test('an offer that goes while the device is away is withdrawn when it is back, also by a hub that was restarted', async (t) => {
  const { connect, offer, news, disconnect } = await setUp(t);
  connect(KEYED);
  await offer(OFFERED);
  disconnect();
  await offer(undefined);
  news();
  connect(KEYED);
  assert.deepEqual(news(), ['withdraw-update uid-of-2.0.0/1']);
  connect(KEYED);
  assert.deepEqual(news(), []);
  const at = (state: UpdateState) =>
    connect({ ...KEYED, last: { offer: 'uid-of-1.9.0/1', version: '1.9.0', state } });
  at('Downloading');
  assert.deepEqual(news(), ['withdraw-update uid-of-1.9.0/1']);
  at('Failed');
  assert.deepEqual(news(), []);
  // The later offer takes the place of the earlier.
  await offer(OFFERED);
  at('Installing');
  assert.deepEqual(news().slice(-1), ['update-agent uid-of-2.0.0/1']);
});

test('an offer of a release that is gone is not made with what another of its name contains', async (t) => {
  const { connect, offer, news, client, clock } = await setUp(t);
  await offer(OFFERED);
  client.remove(AGENT_RELEASES, '2.0.0');
  const other = agentRelease({ version: '2.0.0' });
  client.put(AGENT_RELEASES, { ...other, metadata: { ...other.metadata, uid: 'another' } });
  await clock.advance(100);
  connect(KEYED);
  assert.deepEqual(news(), []);
  await offer({ release: '2.0.0', offer: 'another/1' });
  assert.deepEqual(news(), ['update-agent another/1']);
});

test('the key is sent to a device that has none, and nothing to an agent that knows no updates', async (t) => {
  const { connect, offer, news } = await setUp(t);
  await offer(OFFERED);
  connect({ release: '1.0.0', hasKey: false });
  assert.deepEqual(news(), ['release-key', 'update-agent uid-of-2.0.0/1']);
  connect(undefined);
  assert.deepEqual(news(), []);
});

test('nothing is sent without a release for the architecture, or before the release is known', async (t) => {
  const { connect, offer, news, client, clock } = await setUp(t);
  await offer(OFFERED);
  connect(KEYED, 'riscv64');
  assert.deepEqual(news(), []);
  connect(KEYED);
  await offer({ release: '3.0.0', offer: 'uid-of-3.0.0/1' });
  assert.deepEqual(news(), ['update-agent uid-of-2.0.0/1', 'withdraw-update uid-of-2.0.0/1']);
  client.put(AGENT_RELEASES, agentRelease({ version: '3.0.0' }));
  await clock.advance(100);
  assert.deepEqual(news(), ['update-agent uid-of-3.0.0/1']);
});
