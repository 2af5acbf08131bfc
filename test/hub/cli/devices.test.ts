/** `covey devices` towards the API: what it changes of a device, and what it says when there is nothing to change. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { ApiHub } from '#test/helpers/api-hub.js';
import { covey } from '#test/helpers/covey.js';

const DEVICES = '/apis/fleet.covey.dev/v1alpha1/devices';

test('neither a Device nor a token is made for a name that no device can join under', async (t) => {
  const hub = await ApiHub.start(t);
  const data = dirname(await hub.kubeconfig());
  for (const name of ['a.b', 'a'.repeat(64)]) {
    const made = await hub.send('POST', DEVICES, { metadata: { name }, spec: {} });
    assert.equal(made.status, 422, name);
    const token = await covey(['token', 'create', '--device', name, '--data', data]);
    assert.deepEqual([token.code, token.stdout], [2, '']);
    assert.match(token.stderr, /is no device name/);
  }
});

test('of a revoked device it is said that nobody joins as it, instead of promising it to the next board', async (t) => {
  const hub = await ApiHub.start(t);
  const data = dirname(await hub.kubeconfig());
  const devices = (...args: string[]) => covey(['devices', ...args, '--data', data]);
  await hub.send('POST', DEVICES, { metadata: { name: 'lone' }, spec: {} });
  assert.equal((await devices('revoke', 'lone')).stdout, 'device lone revoked\n');
  for (const action of ['replace', 'approve']) {
    const refused = await devices(action, 'lone');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^covey devices: device lone is revoked: nobody joins as lone until/);
  }
});

test('a device that has no node is removed all the same, and an unknown one is told', async (t) => {
  const hub = await ApiHub.start(t);
  const data = dirname(await hub.kubeconfig());
  const devices = (...args: string[]) => covey(['devices', ...args, '--data', data]);
  const device = { metadata: { name: 'lone' }, spec: { site: 'home' } };
  assert.equal((await hub.send('POST', DEVICES, device)).status, 201);
  const never = await devices('reboot', 'lone');
  assert.deepEqual([never.code, never.stderr], [1, 'covey devices: device lone has not been here yet\n']);
  const removed = await devices('remove', 'lone');
  assert.deepEqual([removed.code, removed.stdout], [0, 'device lone removed\n'], removed.stderr);
  assert.equal((await hub.send('GET', `${DEVICES}/lone`)).status, 404);
  const unknown = await devices('remove', 'nobody');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^covey devices: devices\.fleet\.covey\.dev "nobody" not found\n$/);
});
