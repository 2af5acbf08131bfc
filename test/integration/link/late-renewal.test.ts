/** A device whose certificate ran out while it was away finds its way back to the broker by itself. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { test } from 'node:test';
import { loadIdentity } from '#device-agent/link/identity.js';
import { requestForKey } from '#device-agent/link/key-request.js';
import { fakeRequest, fakeResponse, LinkFleet, until } from '#test/helpers/link-fleet.js';

test('the broker refuses an expired certificate, the hub renews it, and the session comes up', async (t) => {
  await using fleet = await LinkFleet.start(t, 'embedded');
  const { identity, dataDir } = await fleet.identity('kitchen');
  const serving = await fleet.authority.serving('hub', ['127.0.0.1']);
  const server = createServer({ cert: serving.certificate, key: serving.privateKey }, (request, response) => {
    void fleet.hub.joinHandler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { csr } = await requestForKey('kitchen', identity.key);
  const expired = await fleet.authority.issueDevice('kitchen', csr, -1_000);
  assert.ok(Date.parse(new X509Certificate(expired.certificate).validTo) < Date.now());
  const old = { ...identity, certificate: expired.certificate, https: `https://127.0.0.1:${port}` };

  const device = await fleet.startDevice(old, dataDir);
  await until('the device is connected', () => device.link.connected);
  const { connects_failed: failed = 0 } = device.link.counters();
  assert.ok(failed >= 3, 'the broker has refused it first');
  const renewed = await loadIdentity(dataDir);
  assert.ok(Date.parse(new X509Certificate(renewed?.certificate ?? '').validTo) > Date.now());
  assert.equal(renewed?.key, identity.key);
  assert.equal(fleet.hub.counters()['renewals_late'], 1);
});

test('an expired certificate of a revoked device brings nobody back', async (t) => {
  await using fleet = await LinkFleet.start(t, 'embedded');
  const { identity } = await fleet.identity('kitchen');
  const { csr } = await requestForKey('kitchen', identity.key);
  const { certificate } = await fleet.authority.issueDevice('kitchen', csr, -1_000);
  await fleet.authority.devices.revoke('kitchen');
  const response = fakeResponse();
  await fleet.hub.joinHandler(
    fakeRequest('POST', JSON.stringify({ certificate, csr }), '/join/renew'),
    response as never,
  );
  assert.equal(response.status, 401);
});
