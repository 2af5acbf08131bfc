import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInflate } from 'node:zlib';
import fc from 'fast-check';
import { SPDY3_DICTIONARY } from '#hub/server/spdy/dictionary.js';
import { controlFrame, dataHeader, FRAME, FrameReader, numbersFrame } from '#hub/server/spdy/frames.js';
import { HeaderReader, HeaderWriter } from '#hub/server/spdy/header-block.js';

function readAll(bytes: Buffer, cuts: readonly number[]): string[] {
  const reader = new FrameReader();
  const seen: string[] = [];
  let data = '';
  const chunks = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let index = 1; index < chunks.length; index += 1) {
    for (const part of reader.read(bytes.subarray(chunks[index - 1], chunks[index]))) {
      if (part.kind === 'control') seen.push(`control ${part.type} ${part.payload.length}`);
      else {
        data += part.data.toString();
        if (part.fin) seen.push(`data ${part.streamId} ${data}`);
      }
    }
  }
  return seen;
}

test('frames are the same however the bytes arrive', () => {
  const bytes = Buffer.concat([
    numbersFrame(FRAME.ping, 1),
    dataHeader(3, 5, false),
    Buffer.from('hello'),
    numbersFrame(FRAME.windowUpdate, 3, 100),
    dataHeader(3, 6, true),
    Buffer.from(' world'),
    dataHeader(5, 0, true),
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      assert.deepEqual(readAll(bytes, cuts), [
        'control 6 4',
        'control 9 8',
        'data 3 hello world',
        'data 5 hello world',
      ]);
    }),
  );
});

test('another version and oversized control frames end the session', () => {
  const other = numbersFrame(FRAME.ping, 1);
  other[1] = 2;
  assert.throws(() => [...new FrameReader().read(other)], /SPDY version 2, want 3/);
  const huge = controlFrame(FRAME.headers, 0, Buffer.alloc(0));
  huge.writeUIntBE(0xffffff, 5, 3);
  assert.throws(() => [...new FrameReader().read(huge)], /control frame of 16777215 bytes/);
});

test('header blocks written are read back, in one stream', async () => {
  const writer = new HeaderWriter();
  using reader = new HeaderReader();
  for (const headers of [
    new Map([['streamtype', 'error']]),
    new Map(),
    new Map([
      ['port', '80'],
      ['requestid', '1'],
    ]),
  ]) {
    assert.deepEqual(await reader.read(writer.write(headers)), headers);
  }
});

test('what is written is zlib with the SPDY/3 dictionary', async () => {
  const inflate = createInflate({ dictionary: SPDY3_DICTIONARY });
  const chunks: Buffer[] = [];
  inflate.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve, reject) => {
    inflate.on('error', reject);
    inflate.write(new HeaderWriter().write(new Map([['a', 'b']])), () => inflate.flush(() => resolve()));
  });
  assert.equal(Buffer.concat(chunks).toString('hex'), '00000001' + '0000000161' + '0000000162');
  assert.equal(SPDY3_DICTIONARY.length, 1423);
});

test('header blocks that are cut off, not zlib or a bomb are refused', async () => {
  for (const block of [Buffer.from('junk'), new HeaderWriter().write(new Map([['a', 'x'.repeat(60_000)]]))]) {
    using reader = new HeaderReader();
    await assert.rejects(reader.read(block));
  }
});
