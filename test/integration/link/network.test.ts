/** The link on bad and metered networks: half-open connections, storms of reconnects, bytes on the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MqttClient } from 'mqtt';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import { startLink } from '#device-agent/link/start.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { LinkFleet, until } from '#test/helpers/link-fleet.js';
import { bareClient, TcpProxy } from '#test/helpers/mqtt-client.js';

test('a half-open link is noticed, and the device connects anew', { timeout: 60_000 }, async (t) => {
  const fleet = await LinkFleet.start(t, 'embedded');
  const proxy = await TcpProxy.start(t, fleet.port);
  const { identity, dataDir } = await fleet.identity('kitchen');
  const device = await fleet.startDevice({ ...identity, mqtt: [`127.0.0.1:${proxy.port}`] }, dataDir);
  device.link.setCadenceClass('fast');
  await until('a lease is held', () => device.link.lease.remaining() > 0);
  proxy.goSilent();
  await until('a second session is up', () => device.link.counters()['sessions'] === 2);
  assert.equal(device.link.counters()['links_half_open'], 1);
  await until('a lease is held again', () => device.link.lease.remaining() > 0);
});

test('an idle device at 60 s beats stays within 10 MB a month, headers and acknowledgements included', {
  timeout: 60_000,
}, async (t) => {
  const fleet = await LinkFleet.start(t, 'embedded');
  const proxy = await TcpProxy.start(t, fleet.port);
  const { identity, dataDir } = await fleet.identity('kitchen');
  const clock = new FakeClock(Date.now());
  const link = await startLink({
    identity: { ...identity, mqtt: [`127.0.0.1:${proxy.port}`] },
    dataDir,
    hello: () => ({ agentVersion: '1', bootId: 'b', profile: '', labels: {}, node: {}, has: {} }),
    clock,
    random: () => 0.5,
    logger: silentLogger,
    bootId: 'b',
  });
  t.after(() => link[Symbol.asyncDispose]());
  link.setCadenceClass('relaxed');
  await until('connected', () => link.connected);
  const beats = () => fleet.hub.counters()['received_beat'] ?? 0;
  const leases = () => fleet.hub.counters()['sent_lease'] ?? 0;
  const received = () => link.counters()['bytes_received'] ?? 0;
  // The first ten beats settle the cadence, the next ten are counted.
  for (let cycle = 0; cycle < 20; cycle++) {
    if (cycle === 10) proxy.reset();
    const before = { beats: beats(), leases: leases(), received: received() };
    await clock.advance(60_000);
    await until('the beat arrives', () => beats() > before.beats);
    // Whether a beat is answered is decided as it arrives.
    if (leases() > before.leases) await until('the lease arrives', () => received() > before.received);
  }
  const perBeat = wireBytes(proxy) / 10;
  const month = 30 * 24 * 60 * perBeat;
  t.diagnostic(`${perBeat.toFixed(1)} bytes a beat, ${(month / 1e6).toFixed(2)} MB a month`);
  assert.ok(month <= 10e6, `${month} bytes a month`);
});

/**
 * TLS bytes that passed, plus IP and TCP headers (52 bytes with time stamps) of each segment and of each
 * acknowledgement; that of a beat which is answered rides on the answer.
 */
function wireBytes({ bytes, up, down }: TcpProxy): number {
  const acknowledgements = up - down + down;
  return bytes + 52 * (up + down + acknowledgements);
}

test('two hundred devices that come back at once are all served, without errors', {
  timeout: 120_000,
}, async (t) => {
  const fleet = await LinkFleet.start(t, 'embedded');
  const { key, csr } = await makeKeyRequest('storm');
  const names = Array.from({ length: 200 }, (_, index) => `storm-${index}`);
  const issued = await Promise.all(names.map((name) => fleet.authority.issueDevice(name, csr)));
  const connectAll = () =>
    Promise.all(
      names.map((name, index) =>
        bareClient(
          t,
          fleet.port,
          { key, certificate: issued[index]?.certificate ?? '', ca: fleet.authority.certificate },
          { clientId: `system:device:${name}`, connectTimeout: 60_000 },
        ),
      ),
    );
  const first = await connectAll();
  for (const client of first) client.stream.destroy();
  const second = await connectAll();
  await Promise.all(second.map((client) => subscribe(client)));
  assert.ok(second.every((client) => client.connected));
  const {
    client_errors: errors = 0,
    connects_refused: refused = 0,
    tls_errors: tls = 0,
  } = fleet.hub.counters();
  assert.deepEqual({ errors, refused, tls }, { errors: 0, refused: 0, tls: 0 });
});

async function subscribe(client: MqttClient): Promise<void> {
  const device = client.options.clientId?.slice('system:device:'.length);
  const grants = await client.subscribeAsync(`covey/v1/devices/${device}/assignment`, { qos: 1 });
  assert.equal(grants[0]?.qos, 1);
}
