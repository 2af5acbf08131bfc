/** States of a stream: credit, half-close, results, time-outs, and what a misbehaving peer gets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WireFrame } from '#protocol/link/stream-frames.js';
import { STREAM_LIMITS, StreamSession } from '#protocol/link/stream-session.js';

function make(side: 'hub' | 'device') {
  const sent: WireFrame[] = [];
  const session = new StreamSession({
    side,
    limits: STREAM_LIMITS,
    now: 0,
    send: (frame) => sent.push(frame),
    changed: () => undefined,
  });
  if (side === 'hub') session.open({ kind: 'port-forward', podUid: 'u', port: 1 }, 1);
  else session.accept();
  return { session, sent };
}

function codeOf({ end }: StreamSession): string | undefined {
  return end?.ended === 'failure' ? end.failure.code : end?.ended;
}

const bytes = (length: number) => new Uint8Array(length);

test('nothing is sent without credit, and everything once it comes', () => {
  const { session, sent } = make('device');
  let settled = false;
  session.write(1, bytes(40_000), () => {
    settled = true;
  });
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['credit'],
  );
  session.receive({ type: 'credit', sequence: 1, credit: 100_000 }, 0);
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['credit', 'data', 'data', 'data'],
  );
  assert.equal(settled, true);
});

test('a result waits for what was written before it', () => {
  const { session, sent } = make('device');
  session.write(1, bytes(10), () => undefined);
  session.finish({ outcome: 'ok' });
  assert.equal(codeOf(session), undefined);
  session.receive({ type: 'credit', sequence: 1, credit: 1_000 }, 0);
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['credit', 'data', 'result'],
  );
  assert.equal(codeOf(session), 'result');
});

test('a channel is closed alone; writing to it afterwards is refused', () => {
  const { session, sent } = make('hub');
  session.receive({ type: 'credit', sequence: 0, credit: 10_000 }, 0);
  session.endChannel(0, () => undefined);
  let failure: Error | undefined;
  session.write(0, bytes(1), (error) => {
    failure = error;
  });
  session.write(4, bytes(1), () => undefined);
  assert.match(failure?.message ?? '', /channel 0 was ended/);
  assert.deepEqual(
    sent.slice(2).map(({ type }) => type),
    ['end', 'data'],
  );
});

test('a peer that overdraws its credit ends the stream', () => {
  const { session, sent } = make('hub');
  for (let sequence = 0; sequence < 13; sequence++) {
    session.receive({ type: 'data', sequence, channel: 1, data: bytes(16 * 1024) }, 0);
  }
  assert.ok(session.end?.ended === 'failure' && session.end.failure.code === 'overdraft');
  assert.equal(sent.at(-1)?.type, 'reset');
});

test('pending writes fail when the stream ends, with its reason', () => {
  const { session } = make('device');
  let failure: Error | undefined;
  session.write(1, bytes(10), (error) => {
    failure = error;
  });
  session.receive({ type: 'reset', sequence: 0, message: 'the caller has gone' }, 0);
  assert.equal(failure?.message, 'the caller has gone');
});

test('writes that nobody awaits are bounded', () => {
  const { session } = make('device');
  let failure: { code?: string } | undefined;
  session.write(1, bytes(STREAM_LIMITS.maxPendingBytes), () => undefined);
  session.write(1, bytes(1), (error) => {
    failure = error;
  });
  assert.equal(failure?.code, 'too-much-pending');
});

test('a device that does not answer, falls silent or has nothing to do is given up in time', () => {
  const unanswered = make('hub').session;
  assert.equal(unanswered.deadline(), STREAM_LIMITS.openMs);
  unanswered.tick(STREAM_LIMITS.openMs);
  assert.ok(unanswered.end?.ended === 'failure' && unanswered.end.failure.code === 'no-answer');
  const { session: silent, sent } = make('hub');
  silent.receive({ type: 'credit', sequence: 0, credit: 1 }, 0);
  silent.tick(STREAM_LIMITS.pingMs);
  assert.equal(sent.at(-1)?.type, 'ping');
  silent.tick(STREAM_LIMITS.peerLostMs);
  assert.ok(silent.end?.ended === 'failure' && silent.end.failure.code === 'peer-lost');
  const idle = make('hub').session;
  let now = 0;
  for (let sequence = 0; now < 2 * STREAM_LIMITS.idleMs; sequence++) {
    now += 10_000;
    idle.receive({ type: sequence === 0 ? 'credit' : 'pong', sequence, credit: 0 } as WireFrame, now);
    idle.tick(now);
  }
  assert.equal(codeOf(idle), 'idle');
  assert.equal(idle.deadline(), undefined);
});
