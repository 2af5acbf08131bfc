/** Bytes ↔ message: what is refused, what is ignored, and what never throws. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, MESSAGES, MessageTooLargeError } from '#protocol/link/codec.js';
import { PacketGuard } from '#protocol/link/packet-guard.js';
import type { MessageKind } from '#protocol/link/topics.js';

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test('a message comes back as it went', () => {
  const envelope = { epoch: 3, sequence: 9, hubInstance: 'h' };
  const body = { b: 1, d: 10_000, i: 2_000, t: 1 };
  const decoded = decodeMessage('lease', encodeMessage('lease', envelope, body));
  assert.deepEqual(decoded, { ok: true, envelope, body, unknownFields: [] });
});

test('an idle beat is as small as it can be', () => {
  const bytes = encodeMessage('beat', { epoch: 28_000_000, sequence: 40_000 }, {});
  assert.ok(bytes.length <= 32, `${bytes.length} bytes`);
});

test('unknown fields are ignored and listed', () => {
  const decoded = decodeMessage('beat', bytesOf({ e: 1, s: 1, x: 1, b: { l: 1, novelty: { deep: 1 } } }));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.body, { l: 1 });
  assert.deepEqual([...decoded.unknownFields].sort(), ['.x', 'b.novelty']);
});

test('commands and assignments of an unknown kind are told from malformed ones', () => {
  const faultOf = (kind: MessageKind, b: unknown) => {
    const decoded = decodeMessage(kind, bytesOf({ e: 1, s: 1, b }));
    return decoded.ok ? 'none' : decoded.fault;
  };
  assert.equal(faultOf('command', { kind: 'dance' }), 'unknown-message');
  assert.equal(faultOf('assignment', { action: 'freeze' }), 'unknown-message');
  assert.equal(faultOf('command', { kind: 'reboot' }), 'malformed');
  assert.equal(faultOf('command', {}), 'malformed');
});

test('a newer version is not guessed at', () => {
  const decoded = decodeMessage('beat', bytesOf({ v: 2, e: 1, s: 1 }));
  assert.ok(!decoded.ok && decoded.fault === 'newer-version');
});

test('what would be refused at the other end is not sent', () => {
  const csr = 'x'.repeat(MESSAGES.renew.maxBytes);
  assert.throws(() => encodeMessage('renew', { epoch: 1, sequence: 1 }, { csr }), MessageTooLargeError);
});

test('decoding arbitrary bytes never throws', () => {
  const kinds = Object.keys(MESSAGES) as MessageKind[];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 200 }), (kind, bytes) => {
      assert.equal(decodeMessage(kind, bytes).ok, false);
    }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.jsonValue(), (kind, b) => {
      decodeMessage(kind, bytesOf({ e: 1, s: 1, b }));
    }),
  );
});

/** An MQTT packet: type byte, remaining length, that many bytes. */
function packet(length: number): number[] {
  const header = [0x30];
  let rest = length;
  do {
    header.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return [...header, ...new Array<number>(length).fill(0xff)];
}

test('the packet guard finds exactly the packets over the limit, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 50 }),
      (lengths, cut) => {
        const stream = Uint8Array.from(lengths.flatMap(packet));
        const guard = new PacketGuard(200);
        let found: number | undefined;
        for (let at = 0; at < stream.length && found === undefined; at += cut) {
          found = guard.feed(stream.subarray(at, at + cut));
        }
        const expected = lengths.some((length) => length > 200);
        assert.equal(found !== undefined, expected);
      },
    ),
  );
});
