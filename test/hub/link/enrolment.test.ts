/** Joining: who gets a certificate, for which name, and what the others are told. */
import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { DEVICES } from '#hub/cache/resources.js';
import { Enrolment } from '#hub/link/enrolment.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { fakeRequest, fakeResponse } from '#test/helpers/link-fleet.js';
import { device } from '#test/helpers/objects.js';
import { tempDir } from '#test/helpers/temp-dir.js';

async function setUp(t: TestContext) {
  const clock = new FakeClock();
  const client = new FakeClient();
  const ca = await CertificateAuthority.open({ directory: await tempDir(t), clock });
  const tokens = new JoinTokens({ client, clock, namespace: 'kube-system', randomBytes });
  const enrolment = new Enrolment({
    client,
    ca,
    tokens,
    releaseKey: 'a public key',
    clock,
    logger: silentLogger,
    counters: new LinkCounters(silentLogger),
    mqttAddresses: () => ['hub:8883'],
    joined: async () => undefined,
  });
  const post = async (body: unknown) => {
    const response = fakeResponse();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    await enrolment.handle(fakeRequest('POST', text), response as never);
    return { status: response.status, body: JSON.parse(response.body) };
  };
  const { csr } = await makeKeyRequest('kitchen');
  return { clock, client, ca, tokens, enrolment, post, csr };
}

test('a token and a request become a certificate for the asked name, and a Device', async (t) => {
  const { ca, client, tokens, post, csr } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000, uses: 1 });
  const { status, body } = await post({ device: 'kitchen', token, csr });
  assert.equal(status, 201);
  const certificate = new X509Certificate(body.certificate);
  assert.match(certificate.subject, /CN=system:device:kitchen/);
  assert.ok(certificate.checkIssued(new X509Certificate(ca.certificate)));
  assert.deepEqual(body.mqtt, ['hub:8883']);
  assert.equal(client.all<Device>(DEVICES)[0]?.metadata.name, 'kitchen');
  assert.equal((await post({ device: 'cellar', token, csr })).status, 401);
});

test('a name that is taken is given again only to a token for it, which revokes the old device', async (t) => {
  const { ca, tokens, post, csr } = await setUp(t);
  const open = await tokens.create({ lifetimeMs: 60_000 });
  const first = await post({ device: 'kitchen', token: open.token, csr });
  const clash = await post({ device: 'kitchen', token: open.token, csr });
  assert.deepEqual([clash.status, clash.body.reason], [409, 'AlreadyExists']);
  const claim = await tokens.create({ lifetimeMs: 60_000, device: 'kitchen', uses: 1 });
  assert.equal((await post({ device: 'kitchen', token: claim.token, csr })).status, 201);
  const old = new X509Certificate(first.body.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  assert.equal(ca.devices.isRevoked(old), true);
});

test('of two that want one name at once, one gets it', async (t) => {
  const { tokens, post, csr } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000 });
  const answers = await Promise.all([1, 2].map(() => post({ device: 'kitchen', token, csr })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
});

test('a Device that was made beforehand waits for whoever joins first', async (t) => {
  const { client, tokens, post, csr } = await setUp(t);
  client.put(DEVICES, device({ metadata: { name: 'kitchen' } }));
  const { token } = await tokens.create({ lifetimeMs: 60_000 });
  assert.equal((await post({ device: 'kitchen', token, csr })).status, 201);
  assert.equal((await post({ device: 'kitchen', token, csr })).status, 409);
});

test('a claim is for its own name, an expired token for none', async (t) => {
  const { clock, tokens, post, csr } = await setUp(t);
  const claim = await tokens.create({ lifetimeMs: 60_000, device: 'kitchen' });
  assert.equal((await post({ device: 'cellar', token: claim.token, csr })).status, 401);
  await clock.advance(60_001);
  assert.equal((await post({ device: 'kitchen', token: claim.token, csr })).status, 401);
});

test('bad requests get exact Statuses and use no token up', async (t) => {
  const { tokens, post, csr, enrolment } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000, uses: 2 });
  for (const body of ['{', {}, { device: 'kitchen', token }, { device: 'Kit chen', token, csr }]) {
    const { status, body: answer } = await post(body);
    assert.deepEqual([status, answer.kind, answer.reason], [400, 'Status', 'BadRequest']);
  }
  assert.equal((await post('x'.repeat(70_000))).status, 413);
  assert.equal((await tokens.list())[0]?.usesLeft, 2);
  const response = fakeResponse();
  await enrolment.handle(fakeRequest('DELETE', ''), response as never);
  assert.equal(response.status, 405);
});

test('anybody may read the authority, which is public', async (t) => {
  const { ca, enrolment } = await setUp(t);
  const response = fakeResponse();
  await enrolment.handle(fakeRequest('GET', ''), response as never);
  assert.deepEqual(JSON.parse(response.body), { ca: ca.certificate });
});
