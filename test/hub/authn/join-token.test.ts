import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { JoinTokens, type TokenUse } from '#hub/authn/join-token.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import { JOIN_TOKEN_TYPE } from '#protocol/fleet/v1alpha1/well-known.js';
import { apiError } from '#test/helpers/api-error.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

const HOUR = 3600 * 1000;
const unauthorized = apiError(401, 'Unauthorized', 'Unauthorized');

function use(device: string, more: Partial<TokenUse> = {}): TokenUse {
  return { device, key: 'key', time: 0, ...more };
}

function setUp() {
  const client = new FakeClient();
  const clock = new FakeClock();
  const tokens = new JoinTokens({ client, clock, namespace: 'covey-system', randomBytes });
  const secrets = client.resource<Secret>({ group: '', version: 'v1', resource: 'secrets' });
  return { client, clock, tokens, secrets };
}

test('a token is shown once and kept only as a hash', async () => {
  const { tokens, secrets } = setUp();
  const { token, id } = await tokens.create({ lifetimeMs: HOUR, description: 'for the kitchen' });
  assert.match(token, /^[a-z0-9]{6}\.[a-z0-9]{25}$/);
  const secret = await secrets.get(`join-token-${id}`, 'covey-system');
  assert.equal(secret.type, JOIN_TOKEN_TYPE);
  assert.ok(!JSON.stringify(secret).includes(token.split('.')[1] ?? 'x'));
  for (const value of Object.values(secret.data ?? {})) {
    assert.ok(
      !Buffer.from(value, 'base64')
        .toString()
        .includes(token.split('.')[1] ?? 'x'),
    );
  }
  const [listed] = await tokens.list();
  assert.equal(listed?.id, id);
  assert.equal(listed?.description, 'for the kitchen');
});

test('wrong, unknown, malformed and withdrawn tokens all look alike', async () => {
  const { tokens } = setUp();
  const { token, id } = await tokens.create({ lifetimeMs: HOUR });
  await tokens.claim(token, use('n1'));
  for (const bad of [`${id}.${'a'.repeat(25)}`, `zzzzzz.${'a'.repeat(25)}`, 'nonsense', '', `${token}x`]) {
    await assert.rejects(tokens.claim(bad, use('n1')), unauthorized);
  }
  assert.equal(await tokens.revoke(id), true);
  assert.equal(await tokens.revoke(id), false);
  await assert.rejects(tokens.claim(token, use('n1')), unauthorized);
});

test('an expired token is refused and cleaned up', async () => {
  const { tokens, clock, secrets } = setUp();
  const { token } = await tokens.create({ lifetimeMs: HOUR });
  clock.jumpWall(HOUR);
  assert.deepEqual(await tokens.list(), []);
  await assert.rejects(tokens.claim(token, use('n1')), unauthorized);
  assert.equal((await secrets.list({ namespace: 'covey-system' })).items.length, 0);
});

test('a token for one device lets no other in', async () => {
  const { tokens } = setUp();
  const { token } = await tokens.create({ lifetimeMs: HOUR, device: 'n1', uses: 1 });
  await assert.rejects(tokens.claim(token, use('n2')), unauthorized);
  await tokens.claim(token, use('n1'));
  await assert.rejects(tokens.claim(token, use('n1', { key: 'other' })), unauthorized);
});

test('a used-up token is kept with its use until it expires, and the same use may be repeated', async () => {
  const { tokens, clock, client } = setUp();
  const { token } = await tokens.create({ lifetimeMs: HOUR, device: 'n1', uses: 1 });
  const first = use('n1', { serial: 's1', model: 'Raspberry Pi 4', address: '10.0.0.7', time: clock.now() });
  await tokens.claim(token, first);
  await tokens.claim(token, { ...first, time: clock.now() + 5 });
  assert.deepEqual((await tokens.examine(token))?.used, [first]);
  assert.equal((await tokens.examine(token))?.usesLeft, 0);
  for (const other of [use('n1', { serial: 's2' }), use('n1', { key: 'k2', serial: 's1' })])
    await assert.rejects(tokens.claim(token, other), unauthorized);
  const allowed = use('n1', { key: 'k2', serial: 's2' });
  await tokens.claim(token, allowed, true);
  assert.deepEqual((await tokens.examine(token))?.used, [first, allowed]);
  await tokens.sweep();
  assert.equal(client.all('secrets').length, 1);
  clock.jumpWall(HOUR);
  await tokens.sweep();
  assert.equal(client.all('secrets').length, 0);
});

test('a use is not repeated once its device is removed, and what nobody has used stays good', async () => {
  const { tokens } = setUp();
  const spent = await tokens.create({ lifetimeMs: HOUR, device: 'n1', uses: 1 });
  const fresh = await tokens.create({ lifetimeMs: HOUR, device: 'n1', uses: 1 });
  const many = await tokens.create({ lifetimeMs: HOUR, uses: 2 });
  await tokens.claim(spent.token, use('n1'));
  await tokens.claim(many.token, use('n2'));
  await tokens.claim(many.token, use('n1'));
  await tokens.retire('n1');
  await assert.rejects(tokens.claim(spent.token, use('n1')), unauthorized);
  await assert.rejects(tokens.claim(many.token, use('n1')), unauthorized);
  await tokens.claim(many.token, use('n2'));
  await tokens.claim(fresh.token, use('n1'));
  assert.deepEqual(
    (await tokens.examine(spent.token))?.used.map(({ device, over }) => [device, over]),
    [['n1', true]],
  );
});

test('a number of uses that cannot be read is none', async () => {
  for (const uses of ['many', '', '-1', '1.5', 'Infinity', '0x10']) {
    const { tokens, client } = setUp();
    const { token, id } = await tokens.create({ lifetimeMs: HOUR, uses: 1 });
    client.change<Secret>(
      { group: '', version: 'v1', resource: 'secrets' },
      `covey-system/join-token-${id}`,
      (secret) => {
        secret.data = { ...secret.data, uses: Buffer.from(uses).toString('base64') };
      },
    );
    await assert.rejects(tokens.claim(token, use('n1')), unauthorized);
  }
});

test('of the uses of a token for many the last sixteen are kept', async () => {
  const { tokens } = setUp();
  const { token } = await tokens.create({ lifetimeMs: HOUR, uses: 40 });
  for (let index = 0; index < 20; index += 1) await tokens.claim(token, use(`n${index}`));
  const state = await tokens.examine(token);
  assert.equal(state?.usesLeft, 20);
  assert.deepEqual([state?.used.length, state?.used[0]?.device, state?.used[15]?.device], [16, 'n4', 'n19']);
});

test('a token for two uses lets exactly two in, however many try at once', async () => {
  const { tokens } = setUp();
  const { token } = await tokens.create({ lifetimeMs: HOUR, uses: 2 });
  const tries = await Promise.allSettled(
    ['a', 'b', 'c', 'd', 'e'].map((name) => tokens.claim(token, use(name))),
  );
  assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 2);
  assert.deepEqual(await tokens.list(), []);
});
