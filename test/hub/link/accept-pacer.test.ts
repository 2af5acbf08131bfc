/** Connections are let in at a pace, in order, and refused beyond a bound. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { AcceptPacer } from '#hub/link/accept-pacer.js';

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function setUp() {
  const admitted: Array<{ socket: unknown; done: () => void }> = [];
  let refused = 0;
  const pacer = new AcceptPacer({
    concurrent: 2,
    maxWaiting: 3,
    admit: (socket, done) => admitted.push({ socket, done }),
    refused: () => {
      refused += 1;
    },
  });
  const offer = () => {
    const socket = new FakeSocket();
    pacer.offer(socket as unknown as Socket);
    return socket;
  };
  return { pacer, admitted, offer, refused: () => refused };
}

test('as many as allowed go through at once; each that is done makes room for the next in line', () => {
  const { admitted, offer } = setUp();
  const sockets = [offer(), offer(), offer(), offer()];
  assert.equal(admitted.length, 2);
  admitted[0]?.done();
  admitted[0]?.done();
  assert.deepEqual(
    admitted.map(({ socket }) => sockets.indexOf(socket as FakeSocket)),
    [0, 1, 2],
  );
});

test('one that leaves while it waits is not let in later', () => {
  const { admitted, offer, pacer } = setUp();
  offer();
  offer();
  const impatient = offer();
  const next = offer();
  impatient.destroy();
  assert.equal(pacer.waiting, 1);
  admitted[0]?.done();
  assert.equal(admitted[2]?.socket, next);
});

test('beyond the bound connections are closed at once, and disposing closes those that wait', () => {
  const { offer, pacer, refused } = setUp();
  const waiting = Array.from({ length: 5 }, offer).slice(2);
  assert.equal(offer().destroyed, true);
  assert.equal(refused(), 1);
  pacer[Symbol.dispose]();
  assert.ok(waiting.every(({ destroyed }) => destroyed));
});
