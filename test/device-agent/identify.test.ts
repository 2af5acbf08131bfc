/** Who a device is when it starts: itself, somebody new, or a copy that must not pose as the original. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseConfig, renamed, UsageError } from '#device-agent/config.js';
import { type IdentifyOptions, identify } from '#device-agent/identify.js';
import { type DeviceIdentity, saveIdentity } from '#device-agent/link/identity.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const IDENTITY: DeviceIdentity = {
  device: 'kitchen',
  key: 'key',
  certificate: 'certificate',
  ca: 'ca',
  mqtt: ['hub:8883'],
  https: 'https://hub:6443',
  epochBase: 1,
  board: 'board-a',
};
const JOINING = ['--hub', 'https://hub:6443', '--ca-fingerprint', 'f', '--token-file', '/token'];

async function setUp(t: TestContext, flags: readonly string[], identity?: DeviceIdentity) {
  const dataDir = await tempDir(t);
  if (identity !== undefined) await saveIdentity(dataDir, identity);
  const config = parseConfig(['--data', dataDir, ...flags], {}, 'raspberrypi');
  assert.ok(config !== undefined);
  const requests: Parameters<IdentifyOptions['join']>[0][] = [];
  const run = (serial?: string) =>
    identify({
      config,
      board: serial === undefined ? {} : { serial },
      findings: [],
      logger: silentLogger,
      join: async (request) => {
        requests.push(request);
        await saveIdentity(dataDir, { ...IDENTITY, board: 'board-b' });
      },
    });
  return { config, requests, run };
}

test('an identity is used on the board that joined, and where a board has no serial number', async (t) => {
  const { requests, run } = await setUp(t, JOINING, IDENTITY);
  for (const serial of ['BOARD-A', undefined, '0000000000000000'])
    assert.equal((await run(serial)).device, 'kitchen');
  assert.equal(requests.length, 0);
});

test('on another board the identity is a copy: the device joins as itself or not at all', async (t) => {
  const { requests, run } = await setUp(t, JOINING, IDENTITY);
  assert.equal((await run('board-b')).board, 'board-b');
  assert.equal(requests.length, 1);
  const alone = await setUp(t, [], IDENTITY);
  await assert.rejects(alone.run('board-b'), UsageError);
});

test('a name that was given is insisted on, that of the host is not', async (t) => {
  const given = await setUp(t, ['--name', 'cellar', ...JOINING], IDENTITY);
  await assert.rejects(given.run('board-a'), /belongs to device kitchen/);
  const host = await setUp(t, JOINING, IDENTITY);
  const identity = await host.run('board-a');
  const config = renamed(host.config, identity.device);
  assert.deepEqual([config.name, config.cgroupParent], ['kitchen', 'covey/kitchen']);
  const first = await setUp(t, JOINING);
  await first.run('board-b');
  assert.deepEqual([first.requests[0]?.device, first.requests[0]?.anyName], ['raspberrypi', true]);
});

test('a card makes the agent keep the clock', async (t) => {
  const { config } = await setUp(t, ['--card', '/boot/firmware/covey', ...JOINING]);
  assert.deepEqual([config.card, config.setClock], ['/boot/firmware/covey', true]);
  assert.equal((await setUp(t, JOINING)).config.setClock, false);
});
