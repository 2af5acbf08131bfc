/**
 * The link with everything real: a hub as a service, Mosquitto as its external broker, an agent that joined by
 * token; and devices with valid certificates that misbehave on the embedded broker of a fleet.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import { adminFiles, apiClient, type CallApi } from '#test/helpers/api-client.js';
import { CoveyService, covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, freePort, whyNoFleet } from '#test/helpers/fleet.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { Mosquitto, mosquittoMissing } from '#test/helpers/mosquitto.js';
import { bareClient, type Credentials } from '#test/helpers/mqtt-client.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';

describe('an external broker', { skip: whyNoFleet() ?? mosquittoMissing ?? false }, () => {
  let directory: string;
  let broker: Mosquitto;
  let hub: CoveyService;
  let agent: CoveyService | undefined;
  let kubectl: Kubectl;
  const data = () => join(directory, 'hub');
  const pki = () => join(data(), 'pki');

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'covey-link-'));
    broker = new Mosquitto(await freePort());
    const listen = `127.0.0.1:${await freePort()}`;
    hub = new CoveyService([
      ...['hub', '--data', data(), '--listen', listen, '--broker', `127.0.0.1:${broker.port}`],
      ...['--broker-acl', broker.accessList, '--broker-pid', broker.pidFile],
    ]);
    await hub.says('hub is ready');
    await broker.start(pki());
    await hub.says('connected to the broker');
    kubectl = new Kubectl(findKubectls().get('') ?? 'kubectl', join(data(), 'kubeconfig'));
    const { stdout: token, stderr } = await covey(['token', '--data', data(), 'create', '--device', 'pi-1']);
    assert.notEqual(token, '', stderr);
    writeFileSync(join(directory, 'token'), token);
    agent = new CoveyService([
      ...['agent', '--hollow', '--name', 'pi-1', '--data', join(directory, 'pi-1')],
      ...['--run-dir', join(directory, 'run'), '--hub', `https://${listen}`, '--ca', join(pki(), 'ca.crt')],
      ...['--token-file', join(directory, 'token')],
    ]);
  });
  after(async () => {
    await agent?.stop();
    await hub?.stop();
    await broker?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a device joins through it and its pod runs, with logs and exec', async () => {
    await kubectl.run(['wait', '--for=create', 'node/pi-1', '--timeout=30s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'node/pi-1', '--timeout=30s']);
    assert.match(readFileSync(broker.accessList, 'utf8'), /user system:device:pi-1\ntopic write/);
    await kubectl.apply(podManifest('web', shell('sleep 1000')));
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/web', '--timeout=30s']);
    assert.equal((await kubectl.try(['logs', 'web'])).code, 0);
    const exec = await kubectl.try(['exec', 'web', '--', 'true']);
    assert.equal(exec.code, 0, exec.stderr);
  });

  test('a broker that dies and comes back disturbs nothing', async () => {
    const before = await kubectl.json<PodView>(['get', 'pod', 'web']);
    await broker.stop();
    await broker.start(pki());
    await eventually(
      'logs are read through the new broker',
      40_000,
      async () => (await kubectl.try(['logs', 'web'])).code === 0,
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'node/pi-1', '--timeout=30s']);
    const now = await kubectl.json<PodView>(['get', 'pod', 'web']);
    assert.ok(isReady(now));
    assert.deepEqual(now.status.containerStatuses, before.status.containerStatuses);
  });

  test('a revoked device loses its rights on the broker and is not heard', async () => {
    const { code, stderr } = await covey(['devices', '--data', data(), 'revoke', 'pi-1']);
    assert.equal(code, 0, stderr);
    await eventually(
      'its rights are gone',
      10_000,
      () => !readFileSync(broker.accessList, 'utf8').includes('system:device:pi-1'),
    );
    await kubectl.run(['wait', '--for=condition=Ready=Unknown', 'node/pi-1', '--timeout=10s']);
  });
});

describe('devices that misbehave', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  let call: CallApi;

  before(async () => {
    fleet = await Fleet.start({ devices: 2, hollow: true });
    call = apiClient(fleet);
    await fleet.kubectl.apply(podManifest('calm', shell('sleep 1000'), { nodeName: 'device-2' }));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/calm', '--timeout=30s']);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  /** A device that has joined as the API tells it to, and whose agent is ours to write. */
  async function enrol(device: string): Promise<Credentials> {
    const { stdout } = await covey(['token', '--data', fleet.directory, 'create', '--device', device]);
    const { key, csr } = await makeKeyRequest(device);
    const answer = await call('POST', '/join', { body: { device, token: stdout.trim(), csr } });
    assert.equal(answer.code, 201, answer.text);
    const { certificate, ca } = answer.json<{ certificate: string; ca: string }>();
    return { key, certificate, ca };
  }
  const counted = async (event: string) => {
    const { text } = await call('GET', '/metrics');
    return Number(
      new RegExp(`^covey_link_events_total\\{event="${event}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
    );
  };
  const calm = async () => {
    const { metadata, spec, status } = await fleet.kubectl.json<PodView>(['get', 'pod', 'calm']);
    return { uid: metadata.uid, node: spec.nodeName, containers: status.containerStatuses };
  };

  test('nobody gets in without a certificate of the hub', async (t) => {
    const { ca } = adminFiles(fleet.directory);
    await assert.rejects(bareClient(t, fleet.mqttPort, { key: '', certificate: '', ca }, { clientId: 'x' }));
    const token = await call('POST', '/join', {
      body: { device: 'pi', token: 'aaaaaa.bbbbbbbbbbbbbbbb', csr: 'x' },
    });
    assert.ok(token.code === 401 || token.code === 403, token.text);
    assert.equal(token.json()['kind'], 'Status');
  });

  test('garbage, replays and words for others are counted, and nobody else notices', async (t) => {
    const before = await calm();
    const credentials = await enrol('rogue');
    const connect = () => bareClient(t, fleet.mqttPort, credentials, { clientId: 'system:device:rogue' });
    const client = await connect();
    const say = (kind: string, bytes: string | Buffer) =>
      client.publishAsync(`covey/v1/devices/rogue/${kind}`, bytes as Buffer, { qos: 1 });
    const birth = JSON.stringify({ e: 5, s: 1, b: { state: 'birth', bootId: 'b' } });
    await say('presence', birth);
    for (const bytes of ['not json', Buffer.from([0xff, 0xfe]), '{"v":1,"e":5,"s":9,"b":7}', '[]', ''])
      await say('hello', bytes);
    await say('beat', Buffer.alloc(100_000, 0x20));
    await say('presence', JSON.stringify({ e: 1, s: 99, b: { state: 'death', bootId: 'b' } }));
    for (let flood = 0; flood < 500; flood++)
      await say('report', `{"e":5,"s":${flood},"b":{"uid":${flood}}}`);
    await eventually('all of it is counted', 10_000, async () => {
      const malformed = await counted('dropped_malformed');
      return (
        malformed >= 500 && (await counted('dropped_oversized')) >= 1 && (await counted('deaths_stale')) >= 1
      );
    });
    // Listening to others brings nothing, speaking for them ends the connection.
    const heard: string[] = [];
    client.on('message', (topic) => topic.includes('/rogue/') || heard.push(topic));
    for (const filter of ['#', 'covey/v1/#', 'covey/v1/devices/+/assignment', 'covey/v1/devices/device-2/#'])
      await client.subscribeAsync(filter, { qos: 1 }).catch(() => undefined);
    await fleet.kubectl.apply(podManifest('other', shell('sleep 1000'), { nodeName: 'device-2' }));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/other', '--timeout=30s']);
    assert.deepEqual(heard, []);
    const thief = client.connected ? client : await connect();
    const closed = new Promise<void>((resolve) => thief.once('close', () => resolve()));
    const death = JSON.stringify({ e: 2 ** 40, s: 1, b: { state: 'death', bootId: 'b' } });
    thief.publish('covey/v1/devices/device-2/presence', death, { qos: 1 });
    await closed;
    assert.match(await fleet.kubectl.run(['get', 'nodes']), /device-1\s+Ready[\s\S]*device-2\s+Ready/);
    assert.deepEqual(await calm(), before);
    // An announcement of a packet that nobody could hold ends the connection before it is read.
    const huge = await connect();
    const cut = new Promise<void>((resolve) => huge.once('close', () => resolve()));
    huge.publish('covey/v1/devices/rogue/report', Buffer.alloc(8_000_000), { qos: 1 });
    await cut;
    assert.equal((await call('GET', '/readyz')).code, 200);
    assert.deepEqual(await calm(), before);
  });

  test('a certificate that was replaced by joining again is worth nothing', async (t) => {
    const old = await enrol('twice');
    const fresh = await enrol('twice');
    await assert.rejects(bareClient(t, fleet.mqttPort, old, { clientId: 'system:device:twice' }));
    const client = await bareClient(t, fleet.mqttPort, fresh, { clientId: 'system:device:twice' });
    assert.equal(client.connected, true);
  });

  test('a revoked device is cut off at once and its pods run elsewhere', async () => {
    await fleet.kubectl.apply(deploymentManifest('moving', 2, shell('sleep 1000')));
    await fleet.kubectl.run(['rollout', 'status', 'deployment/moving', '--timeout=60s']);
    const { code, stderr } = await covey(['devices', '--data', fleet.directory, 'revoke', 'device-1']);
    assert.equal(code, 0, stderr);
    await fleet.kubectl.run(['wait', '--for=condition=Ready=Unknown', 'node/device-1', '--timeout=10s']);
    await eventually('both pods run on the other device', 20_000, async () => {
      const { items } = await fleet.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=moving']);
      return items.length === 2 && items.every((pod) => isReady(pod) && pod.spec.nodeName === 'device-2');
    });
    const listed = await covey(['devices', '--data', fleet.directory]);
    assert.match(listed.stdout, /device-1 .*(Offline|[Rr]evoked)/);
  });
});
