/**
 * Packet lengths that were written leave nothing behind, in the writer that a program has loaded. Hub and agent run
 * this suite, each in a process of its own: a program brings its way of writing with its first import.
 */
import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';

/** `load` imports what the program imports; the packets are written afterwards. */
export function packetLengthsSuite(load: () => Promise<unknown>): void {
  test('lengths are written as MQTT has them, and kept in one table', async () => {
    await load();
    const { writeToStream } = await import('mqtt-packet');
    const stores = new Set<ArrayBufferLike>();
    for (const size of [0, 100, 127, 128, 300, 5_000, 16_000]) {
      const chunks: Buffer[] = [];
      const stream = new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk);
          done();
        },
      });
      writeToStream(publish(size), stream);
      // The writer holds the stream back until the end of the turn.
      await new Promise((resolve) => setImmediate(resolve));
      const length = chunks.find((chunk) => chunk.buffer.byteLength === 32_768);
      assert.ok(length !== undefined, `the length of a packet of ${size} bytes is not of the table`);
      stores.add(length.buffer);
      const rest = size + 2 + 1;
      assert.deepEqual([...length], rest < 128 ? [rest] : [(rest % 128) | 128, rest >> 7]);
    }
    assert.equal(stores.size, 1);
  });

  test('packets of every size are read as they were written', async () => {
    await load();
    const { parser, writeToStream } = await import('mqtt-packet');
    for (const size of [1, 124, 125, 126, 16_380, 16_381, 16_384, 2_097_148, 2_097_149, 3_000_000]) {
      const stream = new PassThrough({ highWaterMark: 2 ** 23 });
      writeToStream(publish(size), stream);
      stream.end();
      const read: number[] = [];
      const reader = parser();
      reader.on('packet', (packet) => read.push(packet.cmd === 'publish' ? packet.payload.length : -1));
      for (const chunk of await stream.toArray()) reader.parse(chunk as Buffer);
      assert.deepEqual(read, [size]);
    }
  });
}

function publish(size: number) {
  const payload = Buffer.alloc(size, 1);
  return { cmd: 'publish', topic: 't', payload, qos: 0, retain: false, dup: false } as const;
}
