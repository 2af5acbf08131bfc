/**
 * Safety of streams: whatever two ends do in whatever order, data arrives whole and in order or the stream ends
 * with an error on the side that lacks it; buffers stay within the window; and every stream ends.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StreamOpen } from '#protocol/link/stream.js';
import { decodeFrame, encodeFrame, type WireFrame } from '#protocol/link/stream-frames.js';
import { STREAM_LIMITS, StreamSession } from '#protocol/link/stream-session.js';

const OPEN: StreamOpen = { kind: 'port-forward', podUid: 'u', port: 80 };
const LIMITS = { ...STREAM_LIMITS, windowCost: 34 * 1024, maxPendingBytes: 1024 * 1024 };

interface End {
  readonly session: StreamSession;
  readonly wire: Uint8Array[];
  readonly read: number[];
  settled: number;
  written: number;
}

function makeEnds(): { hub: End; device: End } {
  const make = (side: 'hub' | 'device'): End => {
    const wire: Uint8Array[] = [];
    const session = new StreamSession({
      side,
      limits: LIMITS,
      now: 0,
      send: (frame) => wire.push(encodeFrame(frame)),
      changed: () => undefined,
    });
    return { session, wire, read: [], settled: 0, written: 0 };
  };
  const ends = { hub: make('hub'), device: make('device') };
  ends.hub.session.open(OPEN, 1);
  ends.hub.wire.shift();
  ends.device.session.accept();
  return ends;
}

function carry(from: End, to: End): void {
  const bytes = from.wire.shift();
  if (bytes !== undefined) to.session.receive(frameOf(bytes), 0);
}

function frameOf(bytes: Uint8Array): WireFrame {
  const decoded = decodeFrame(bytes);
  assert.ok(decoded.ok);
  return decoded.frame;
}

function write(end: End, length: number): void {
  const data = Uint8Array.from({ length }, (_, index) => (end.written + index) % 251);
  end.written += length;
  end.session.write(0, data, () => {
    end.settled += 1;
  });
}

function readAll(end: End): void {
  for (let frame = end.session.read(0); frame !== undefined; frame = end.session.read(0)) {
    end.read.push(...frame.data);
  }
}

const isCounting = (bytes: readonly number[]) => bytes.every((byte, index) => byte === index % 251);

const step = fc.oneof(
  fc.record({
    do: fc.constant('write' as const),
    side: fc.boolean(),
    length: fc.integer({ min: 1, max: 40_000 }),
  }),
  fc.record({
    do: fc.constantFrom('read' as const, 'carry' as const),
    side: fc.boolean(),
    length: fc.constant(0),
  }),
);

test('any interleaving delivers everything in order, within the window', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { hub, device } = makeEnds();
      for (const { do: what, side, length } of steps) {
        const [one, other] = side ? [hub, device] : [device, hub];
        if (what === 'write') write(one, length);
        else if (what === 'carry') carry(one, other);
        else readAll(one);
      }
      for (let turn = 0; turn < 4000 && (hub.wire.length > 0 || device.wire.length > 0 || turn < 4); turn++) {
        carry(hub, device);
        carry(device, hub);
        readAll(hub);
        readAll(device);
      }
      assert.equal(hub.session.end, undefined);
      assert.equal(device.session.end, undefined);
      assert.equal(device.read.length, hub.written);
      assert.equal(hub.read.length, device.written);
      assert.ok(isCounting(hub.read) && isCounting(device.read));
    }),
    { numRuns: 150 },
  );
});

test('a lost frame ends the stream with an error; what came before it is whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 2, maxLength: 7 }),
      fc.nat(),
      (lengths, at) => {
        const { hub, device } = makeEnds();
        carry(hub, device);
        carry(device, hub);
        for (const length of lengths) write(device, length);
        const lost = at % device.wire.length;
        const kept = device.wire.splice(0).filter((_, index) => index !== lost);
        for (const bytes of kept) hub.session.receive(frameOf(bytes), 0);
        readAll(hub);
        if (lost < kept.length) {
          assert.ok(hub.session.end?.ended === 'failure' && hub.session.end.failure.code === 'gap');
        } else assert.equal(hub.session.end, undefined);
        assert.ok(isCounting(hub.read));
        const before = lengths.slice(0, lost).reduce((sum, length) => sum + length, 0);
        assert.equal(hub.read.length, before);
      },
    ),
  );
});

test('frames that come twice are delivered once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 8 }), (lengths) => {
      const { hub, device } = makeEnds();
      carry(hub, device);
      carry(device, hub);
      for (const length of lengths) write(device, length);
      for (const bytes of device.wire) {
        hub.session.receive(frameOf(bytes), 0);
        hub.session.receive(frameOf(bytes), 0);
      }
      readAll(hub);
      assert.equal(hub.read.length, device.written);
      assert.ok(isCounting(hub.read));
    }),
  );
});

test('decoding arbitrary bytes never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      decodeFrame(bytes);
    }),
  );
});
