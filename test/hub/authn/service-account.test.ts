import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { bearerTokenAuthenticator } from '#hub/authn/bearer-token.js';
import { ServiceAccountTokens } from '#hub/authn/service-account.js';
import type { TokenRequest } from '#protocol/authentication/v1/token-request.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { pod } from '#test/helpers/objects.js';
import { deleteOptions, testRegistry } from '#test/helpers/registry.js';

const unauthorized = apiError(401, 'Unauthorized', 'Unauthorized');

function setUp(clock = new FakeClock()) {
  const objects = new Map([
    ['serviceaccounts/ns/bot', 'u1'],
    ['pods/ns/p', 'u2'],
  ]);
  const tokens = new ServiceAccountTokens({
    key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    issuer: 'https://hub',
    audiences: ['https://hub'],
    clock,
    lookup: (resource, namespace, name) => Promise.resolve(objects.get(`${resource}/${namespace}/${name}`)),
    newId: () => 'id-1',
  });
  return { clock, objects, tokens };
}

const BOT = { namespace: 'ns', name: 'bot', uid: 'u1' };

test('a token is its service account until it expires', async () => {
  const { clock, tokens } = setUp();
  const { token, expires } = tokens.issue(BOT, { lifetimeSeconds: 600 });
  assert.equal(expires, clock.now() + 600_000);
  assert.deepEqual(await tokens.verify(token), {
    username: 'system:serviceaccount:ns:bot',
    uid: 'u1',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:ns'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=id-1'] },
  });
  clock.jumpWall(600_000);
  await assert.rejects(tokens.verify(token), unauthorized);
});

test('a token dies with its account and with the pod that it is bound to', async () => {
  const { objects, tokens } = setUp();
  const bound = tokens.issue(BOT, {
    lifetimeSeconds: 600,
    bound: { kind: 'Pod', name: 'p', uid: 'u2' },
  }).token;
  const free = tokens.issue(BOT, { lifetimeSeconds: 600 }).token;
  const user = await tokens.verify(bound);
  assert.deepEqual(user?.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  objects.set('pods/ns/p', 'another');
  await assert.rejects(tokens.verify(bound), unauthorized);
  await tokens.verify(free);
  objects.delete('serviceaccounts/ns/bot');
  await assert.rejects(tokens.verify(free), unauthorized);
});

test('forged, foreign and misdirected tokens', async () => {
  const { tokens } = setUp();
  const { token } = tokens.issue(BOT, { lifetimeSeconds: 600 });
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:admin' })).toString('base64url');
  await assert.rejects(tokens.verify(`${header}.${forged}.${signature}`), unauthorized);
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  assert.equal(await tokens.verify(`${none}.${payload}.`), undefined);
  assert.equal(await tokens.verify('opaque'), undefined);
  assert.equal(await setUp().tokens.verify(token), undefined);
  const elsewhere = tokens.issue(BOT, { lifetimeSeconds: 600, audiences: ['vault'] });
  await assert.rejects(tokens.verify(elsewhere.token), unauthorized);
});

test('the Authorization header: Bearer only, and a token that nobody knows is refused', async () => {
  const { tokens } = setUp();
  const { token } = tokens.issue(BOT, { lifetimeSeconds: 600 });
  const authenticator = bearerTokenAuthenticator([tokens]);
  const who = (authorization: string | undefined) =>
    authenticator.authenticate({ clientCertificate: undefined, authorization });
  assert.equal((await who(`Bearer ${token}`))?.username, 'system:serviceaccount:ns:bot');
  assert.equal((await who(`bearer ${token}`))?.username, 'system:serviceaccount:ns:bot');
  assert.equal(await who(undefined), undefined);
  assert.equal(await who('Basic YTpi'), undefined);
  await assert.rejects(who('Bearer unknown'), unauthorized);
  await assert.rejects(who('Bearer '), unauthorized);
  await assert.rejects(who(`Bearer ${'x'.repeat(20_000)}`), unauthorized);
});

test('POST serviceaccounts/token issues tokens bound to what exists', async () => {
  await using hub = await testRegistry();
  const stored = await hub.create('pods', pod({ metadata: { name: 'p' } }));
  const accounts = hub.storage('serviceaccounts');
  const request = (spec: object) =>
    accounts.connect(hub.scope('default'), 'default', 'token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: newObjectMeta({}),
      spec: { audiences: [], expirationSeconds: 3600, ...spec },
    } as KubernetesObject) as Promise<TokenRequest>;
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: stored.metadata.uid };
  const answer = await request({ boundObjectRef });
  assert.equal(answer.status.expirationTimestamp, '2026-01-01T01:00:00Z');
  assert.equal(
    (await hub.tokens.verify(answer.status.token))?.username,
    'system:serviceaccount:default:default',
  );
  await assert.rejects(
    request({ expirationSeconds: 10 }),
    apiError(
      422,
      'Invalid',
      /spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes/,
    ),
  );
  await assert.rejects(
    request({ boundObjectRef: { kind: 'Node', name: 'n' } }),
    apiError(422, 'Invalid', /cannot bind token/),
  );
  await assert.rejects(
    request({ boundObjectRef: { kind: 'Pod', name: 'q' } }),
    apiError(404, 'NotFound', 'pods "q" not found'),
  );
  await assert.rejects(
    request({ boundObjectRef: { ...boundObjectRef, uid: 'old' } }),
    apiError(
      409,
      'Conflict',
      /the UID in the bound object reference \(old\) does not match the UID in record/,
    ),
  );
  await hub.storage('pods').delete(hub.scope('default'), 'p', deleteOptions());
  await assert.rejects(hub.tokens.verify(answer.status.token), unauthorized);
});
