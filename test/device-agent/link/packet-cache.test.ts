/** The packet writer of the very copy that the MQTT client uses prepares nothing. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { writeToStream } from 'mqtt-packet';
import { withoutPacketCache } from '#device-agent/link/packet-cache.js';

test('packets are written as ever, and no buffers are kept for them', async () => {
  const ours = createRequire(import.meta.url);
  const clients = createRequire(ours.resolve('mqtt'));
  assert.equal(clients.resolve('mqtt-packet'), ours.resolve('mqtt-packet'), 'two copies of mqtt-packet');
  withoutPacketCache();
  const stream = new PassThrough();
  writeToStream({ cmd: 'puback', messageId: 0x1234 }, stream);
  stream.end();
  assert.deepEqual([...Buffer.concat(await stream.toArray())], [0x40, 2, 0x12, 0x34]);
  const numbers = ours('mqtt-packet/numbers.js') as { cache: object };
  assert.equal(Object.keys(numbers.cache).length, 0);
});
