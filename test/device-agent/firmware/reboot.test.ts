/** Which agent restarts its board, when it is asked to, and which refuses. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type RebootOptions, reboot, refusesReboot } from '#device-agent/firmware/reboot.js';
import { silentLogger } from '#protocol/lib/logger.js';

const BOARD: RebootOptions = {
  config: { install: { directory: '/opt/covey', release: '1.0.0', launcher: 'launcher' }, hollow: false },
  bootId: 'this-boot',
  uid: 0,
  logger: silentLogger,
};

test('a flashed board restarts when this boot is asked to end', async () => {
  const ran: string[] = [];
  const run = async (program: string, args: readonly string[]) => ran.push([program, ...args].join(' '));
  await reboot({ ...BOARD, run }, { bootId: 'this-boot', reason: 'a test' });
  assert.deepEqual(ran, ['systemctl reboot']);
  await reboot({ ...BOARD, run }, { bootId: 'an-earlier-boot', reason: 'a test' });
  assert.equal(ran.length, 1);
});

test('everybody else refuses', () => {
  const asked = { bootId: 'this-boot' };
  assert.equal(refusesReboot(BOARD, asked), undefined);
  assert.match(refusesReboot({ ...BOARD, uid: 1000 }, asked) ?? '', /not root/);
  const { config } = BOARD;
  assert.match(refusesReboot({ ...BOARD, config: { ...config, install: undefined } }, asked) ?? '', /launch/);
  assert.match(refusesReboot({ ...BOARD, config: { ...config, hollow: true } }, asked) ?? '', /hollow/);
});
