/** What a broken or hostile device, or a bad network, cannot do; run on both brokers. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { MqttClient } from 'mqtt';
import type { DeviceIdentity } from '#device-agent/link/identity.js';
import { DEVICES, PODS } from '#hub/cache/resources.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { encodeMessage, type MessageBody } from '#protocol/link/codec.js';
import { messageTopic, type UpKind } from '#protocol/link/topics.js';
import { type BrokerKind, brokerMissing, LinkFleet, until } from '#test/helpers/link-fleet.js';
import { bareClient } from '#test/helpers/mqtt-client.js';
import { boundPod } from './link-suite.js';

function clientOf(t: TestContext, fleet: LinkFleet, identity: DeviceIdentity): Promise<MqttClient> {
  return bareClient(t, fleet.port, identity, { clientId: `system:device:${identity.device}` });
}

const hello: MessageBody<'hello'> = {
  agentVersion: '0',
  bootId: 'b',
  profile: '',
  spool: 's',
  cadenceClass: 'idle',
  labels: {},
  node: {},
  has: {},
};

async function say<K extends UpKind>(
  client: MqttClient,
  device: string,
  kind: K,
  [epoch, sequence]: readonly [number, number],
  body: MessageBody<K>,
): Promise<void> {
  const bytes = encodeMessage(kind, { epoch, sequence }, body);
  await client.publishAsync(messageTopic(device, kind), Buffer.from(bytes), { qos: 1 });
}

export function hostileSuite(kind: BrokerKind): void {
  const run = (title: string, body: (t: TestContext) => Promise<void>) =>
    test(`${kind}: ${title}`, { timeout: 60_000 }, async (t) => {
      const missing = await brokerMissing(kind);
      if (missing === undefined) await body(t);
      else t.skip(missing);
    });

  const counted = (fleet: LinkFleet, name: string) => fleet.hub.counters()[name] ?? 0;

  run('garbage, oversized, newer and unknown messages are counted, and the session goes on', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const { identity } = await fleet.identity('kitchen');
    const client = await clientOf(t, fleet, identity);
    await say(client, 'kitchen', 'presence', [5, 1], { state: 'birth', bootId: 'b' });
    const send = (to: UpKind, bytes: Buffer | string) =>
      client.publishAsync(messageTopic('kitchen', to), bytes as Buffer, { qos: 1 });
    await send('hello', 'not json');
    await send('hello', Buffer.from([0xff, 0xfe, 0x00]));
    await send('report', '{"v":1,"e":5,"s":1,"b":{"uid":7}}');
    await send('beat', Buffer.alloc(4096, 0x20));
    await send('hello', '{"v":99,"e":5,"s":1,"b":{}}');
    await until('malformed ones are counted', () => counted(fleet, 'dropped_malformed') === 3);
    await until('the oversized one is counted', () => counted(fleet, 'dropped_oversized') === 1);
    await until('the newer one is counted', () => counted(fleet, 'dropped_newer-version') === 1);
    await client.publishAsync(
      messageTopic('kitchen', 'hello'),
      JSON.stringify({ v: 1, e: 5, s: 2, b: { ...hello, novelty: { x: 1 } } }),
      { qos: 1 },
    );
    await until('an unknown field is counted', () => counted(fleet, 'unknown_fields') === 1);
    await until('the hello is taken', () => counted(fleet, 'received_hello') === 1);
  });

  run('repeated and stale messages have no effect, nor has the will of an older session', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const { identity } = await fleet.identity('kitchen');
    const client = await clientOf(t, fleet, identity);
    const connected = () => fleet.hub.liveness.get('kitchen')?.connected === true;
    await say(client, 'kitchen', 'presence', [7, 1], { state: 'birth', bootId: 'b' });
    await until('born', connected);
    await say(client, 'kitchen', 'hello', [7, 1], hello);
    await say(client, 'kitchen', 'hello', [7, 1], hello);
    await until('the repeat is dropped', () => counted(fleet, 'dropped_replayed') === 1);
    await say(client, 'kitchen', 'presence', [6, 9], { state: 'death', bootId: 'b' });
    await until('the stale death is counted', () => counted(fleet, 'deaths_stale') === 1);
    assert.equal(connected(), true);
    await say(client, 'kitchen', 'hello', [6, 3], hello);
    await until('the stale hello is dropped', () => counted(fleet, 'dropped_stale-epoch') === 1);
    await say(client, 'kitchen', 'presence', [7, 0], { state: 'death', bootId: 'b' });
    await until('the right death counts', () => !connected());
    await say(client, 'kitchen', 'beat', [7, 2], {});
    await until('the dead session stays dead', () => counted(fleet, 'dropped_stale-epoch') === 2);
    assert.equal(connected(), false);
  });

  run('an epoch that no device can have come to is refused, and does not lock the device out', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const { identity } = await fleet.identity('kitchen');
    const client = await clientOf(t, fleet, identity);
    const far = 2 ** 40;
    await say(client, 'kitchen', 'presence', [far, 1], { state: 'birth', bootId: 'b' });
    await say(client, 'kitchen', 'hello', [far, 1], hello);
    await say(client, 'kitchen', 'presence', [far, 2], { state: 'death', bootId: 'b' });
    await until('all three are counted', () => counted(fleet, 'dropped_implausible-epoch') === 3);
    assert.equal(fleet.hub.liveness.get('kitchen'), undefined);
    await say(client, 'kitchen', 'presence', [7, 1], { state: 'birth', bootId: 'b' });
    await say(client, 'kitchen', 'hello', [7, 1], hello);
    await until('the right hello is taken', () => counted(fleet, 'received_hello') === 1);
    assert.equal(fleet.hub.liveness.get('kitchen')?.connected, true);
  });

  run('a device cannot speak or listen for another', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    fleet.client.put(PODS, boundPod('secret', 'cellar'));
    const thief = await fleet.identity('kitchen');
    const cellar = await fleet.identity('cellar');
    const listening = await clientOf(t, fleet, thief.identity);
    const heard: string[] = [];
    listening.on('message', (topic) => heard.push(topic));
    for (const filter of [messageTopic('cellar', 'assignment'), 'covey/v1/devices/+/assignment', '#']) {
      // Refused or ignored, as the broker likes; nothing may arrive.
      await listening.subscribeAsync(filter, { qos: 1 }).catch(() => undefined);
    }
    const device = await fleet.startDevice(cellar.identity, cellar.dataDir);
    await until('its own pod reaches it', () => device.received.length === 1);
    assert.equal(listening.connected, true);
    assert.deepEqual(heard, []);
    const death = encodeMessage('presence', { epoch: 2 ** 40, sequence: 1 }, { state: 'death', bootId: 'b' });
    // The embedded broker closes the connection; Mosquitto acknowledges and forgets.
    const closed = new Promise<void>((resolve) => listening.once('close', () => resolve()));
    const sent = listening.publishAsync(messageTopic('cellar', 'presence'), Buffer.from(death), { qos: 1 });
    await Promise.race([sent.catch(() => undefined), closed]);
    fleet.client.put(PODS, boundPod('other', 'cellar'));
    await until('the other is still served', () => device.received.length === 2);
    assert.equal(fleet.hub.liveness.get('cellar')?.connected, true);
  });

  run('nobody takes over a session with another certificate', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('cellar');
    await until('connected', () => device.link.connected);
    const { identity } = await fleet.identity('kitchen');
    // The embedded broker refuses; Mosquitto lets it in under its own name.
    await bareClient(t, fleet.port, identity, { clientId: 'system:device:cellar' }).catch(() => undefined);
    fleet.client.put(PODS, boundPod('web', 'cellar'));
    await until('the session still works', () => device.received.length === 1);
    assert.equal(device.link.counters()['sessions'], 1);
  });

  run('certificates of strangers are refused', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const other = await LinkFleet.start(t, 'embedded');
    const { identity } = await other.identity('kitchen');
    const foreign = { ...identity, ca: fleet.authority.certificate };
    await assert.rejects(clientOf(t, fleet, foreign));
  });

  run('a revoked device is cut off and not heard any more', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    await until('connected', () => fleet.hub.liveness.get('kitchen')?.connected === true);
    fleet.client.change<Device>(DEVICES, 'kitchen', (draft) => {
      draft.spec.revoked = true;
    });
    await until('forgotten', () => fleet.hub.liveness.get('kitchen')?.connected !== true);
    if (kind === 'embedded') await until('cut off', () => !device.link.connected);
    await assert.rejects(fleet.identity('kitchen'), /403/);
  });

  run('monitors read the monitor topics, and nothing else', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const admin = await fleet.authority.issueClient({
      commonName: 'admin',
      organizations: ['system:masters'],
    });
    const reader = await bareClient(
      t,
      fleet.port,
      { key: admin.privateKey, certificate: admin.certificate, ca: fleet.authority.certificate },
      { clientId: 'dashboard' },
    );
    const seen = new Map<string, string>();
    reader.on('message', (topic, payload) => seen.set(topic, payload.toString()));
    await reader.subscribeAsync('covey/v1/devices/#', { qos: 0 }).catch(() => undefined);
    await reader.subscribeAsync('covey/v1/monitor/#', { qos: 0 });
    const topic = 'covey/v1/monitor/pods/default/web/state';
    await until('the pod is shown', () => seen.get(topic)?.includes('"phase":"Pending"') === true);
    const device = await fleet.device('kitchen');
    await until('connected', () => device.link.connected);
    await until(
      'the device is shown',
      () => seen.get('covey/v1/monitor/devices/kitchen/state')?.includes('"connected":true') === true,
    );
    fleet.client.remove(PODS, 'default/web');
    await until('the tombstone comes', () => seen.get(topic) === '');
    assert.ok([...seen.keys()].every((name) => name.startsWith('covey/v1/monitor/')));
  });

  run('what went away while the hub was down does not stay on the monitor', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const admin = await fleet.authority.issueClient({
      commonName: 'admin',
      organizations: ['system:masters'],
    });
    const credentials = {
      key: admin.privateKey,
      certificate: admin.certificate,
      ca: fleet.authority.certificate,
    };
    const topic = 'covey/v1/monitor/pods/default/web/state';
    const shown = async () => {
      const reader = await bareClient(t, fleet.port, credentials, { clientId: 'dashboard' });
      const seen: string[] = [];
      reader.on('message', (name, payload) => payload.length > 0 && seen.push(name));
      await reader.subscribeAsync('covey/v1/monitor/pods/#', { qos: 0 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      reader.end(true);
      return seen.includes(topic);
    };
    await until('the pod is shown', shown);
    await fleet.stopHub();
    fleet.client.remove(PODS, 'default/web');
    await fleet.startHub();
    await until('it is gone', async () => !(await shown()));
  });
}
