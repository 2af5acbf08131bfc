/** The join endpoint as strangers see it: what is no join is answered exactly, in time, and without a line in the log. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { randomBytes, webcrypto } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { Enrolment } from '#hub/link/enrolment.js';
import { type Logger, silentLogger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { fakeRequest, fakeResponse } from '#test/helpers/link-fleet.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

async function setUp(t: TestContext) {
  const clock = new FakeClock();
  const client = new FakeClient();
  const logged: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (_fields, text) => void logged.push(text),
    error: (_fields, text) => void logged.push(text),
  };
  const ca = await CertificateAuthority.open({ directory: await tempDir(t), clock });
  const tokens = new JoinTokens({ client, clock, namespace: 'covey-system', randomBytes });
  const enrolment = new Enrolment({
    client,
    ca,
    tokens,
    clock,
    logger,
    releaseKey: 'a public key',
    counters: new LinkCounters(silentLogger),
    events: { record: () => undefined },
    boardPolicy: 'SameBoard',
    renewalGraceMs: 0,
    mqttAddresses: () => ['hub:8883'],
    boundTo: () => [],
    joined: async () => undefined,
  });
  const ask = async (method: string, url: string, body: string | AsyncIterable<Buffer> = '') => {
    const response = fakeResponse();
    const request = fakeRequest(method, '', url);
    request.iterator = () => (typeof body === 'string' ? [Buffer.from(body)] : body);
    await enrolment.handle(request, response as never);
    const { reason = '', message = '' } = response.body === '' ? {} : JSON.parse(response.body);
    return { status: response.status, reason, message, headers: response.headers };
  };
  return { ask, clock, logged, tokens };
}

test('other paths are not there, and other methods are told which there are', async (t) => {
  const { ask } = await setUp(t);
  for (const path of ['/join/', '/join/other', '/join/renew/', '/join/renew/x'])
    for (const method of ['GET', 'POST'])
      assert.deepEqual([path, (await ask(method, path, '{}')).status], [path, 404]);
  assert.equal((await ask('GET', '/join?x=1')).status, 200);
  assert.equal((await ask('HEAD', '/join')).status, 200);
  const put = await ask('PUT', '/join', '{}');
  assert.deepEqual([put.status, put.headers['Allow']], [405, 'GET, HEAD, POST']);
  const renew = await ask('GET', '/join/renew');
  assert.deepEqual([renew.status, renew.headers['Allow']], [405, 'POST']);
});

test('a body that is no request is a bad request that names what is wrong', async (t) => {
  const { ask, logged } = await setUp(t);
  for (const [body, message] of [
    ['', 'the body of the request is not JSON'],
    ['['.repeat(60_000), 'the body of the request is not JSON'],
    ['null', 'the body of the request: Invalid input: expected object, received null'],
    ['{"device":1}', 'device: Invalid input: expected string, received number'],
  ] as const) {
    const answer = await ask('POST', '/join', body);
    assert.deepEqual([answer.status, answer.message], [400, message]);
  }
  assert.deepEqual(logged, []);
});

test('a body that does not come, or breaks off, holds nothing up and is no fault of the hub', async (t) => {
  const { ask, clock, logged } = await setUp(t);
  const drip = async function* () {
    for (;;) {
      yield Buffer.from(' ');
      await clock.sleep(1_000, new AbortController().signal);
    }
  };
  let answered = false;
  const slow = ask('POST', '/join', drip()).finally(() => {
    answered = true;
  });
  await clock.advance(19_000);
  assert.equal(answered, false);
  await clock.advance(2_000);
  const { status, reason, headers } = await slow;
  assert.deepEqual([status, reason, headers['Connection']], [408, 'Timeout', 'close']);
  const broken = async function* () {
    yield Buffer.from('{"device"');
    throw new Error('aborted');
  };
  assert.equal((await ask('POST', '/join', broken())).status, 400);
  assert.deepEqual(logged, []);
});

test('a key that proves nothing is refused before the claim is used', async (t) => {
  const { ask, tokens } = await setUp(t);
  const { token } = await tokens.create({ lifetimeMs: 60_000, device: 'kitchen', uses: 1 });
  const request = async (bits: number) => {
    const keys = await webcrypto.subtle.generateKey(
      { ...RSA, modulusLength: bits, publicExponent: new Uint8Array([1, 0, 1]) },
      false,
      ['sign', 'verify'],
    );
    const made = { name: 'CN=x', keys, signingAlgorithm: RSA };
    const csr = await x509.Pkcs10CertificateRequestGenerator.create(made);
    return JSON.stringify({ device: 'kitchen', token, csr: csr.toString('pem') });
  };
  const weak = await ask('POST', '/join', await request(1024));
  assert.deepEqual(
    [weak.status, weak.message],
    [400, 'the certificate request is for an RSA key of 1024 bits; at least 2048 are needed'],
  );
  assert.equal((await tokens.examine(token))?.usesLeft, 1);
  assert.equal((await ask('POST', '/join', await request(2048))).status, 201);
});
