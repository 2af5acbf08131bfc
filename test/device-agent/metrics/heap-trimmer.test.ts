/** The heap is collected after a burst of work, and left alone while it grows and when there is nothing to win. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeapTrimmer, LOOK_EVERY_MS } from '#device-agent/metrics/heap-trimmer.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

const MIB = 1024 ** 2;

function makeHeap(bytes: number) {
  const heap = {
    held: bytes,
    collections: 0,
    bytes: () => heap.held,
    collect() {
      heap.collections += 1;
      heap.held = bytes;
    },
  };
  return heap;
}

test('a heap that has grown is collected once it has stopped growing, and then left alone', async () => {
  const clock = new FakeClock();
  const heap = makeHeap(10 * MIB);
  using _trimmer = new HeapTrimmer(clock, heap);
  await clock.advance(3 * LOOK_EVERY_MS);
  const atStart = heap.collections;
  heap.held = 16 * MIB;
  await clock.advance(LOOK_EVERY_MS);
  assert.equal(heap.collections, atStart, 'it may still be growing');
  await clock.advance(LOOK_EVERY_MS);
  assert.equal(heap.collections, atStart + 1);
  heap.held = 11 * MIB;
  await clock.advance(10 * LOOK_EVERY_MS);
  assert.equal(heap.collections, atStart + 1, 'there is nothing to win');
});

test('nothing is looked at after it was disposed of', async () => {
  const clock = new FakeClock();
  const heap = makeHeap(10 * MIB);
  const trimmer = new HeapTrimmer(clock, heap);
  trimmer[Symbol.dispose]();
  await clock.advance(10 * LOOK_EVERY_MS);
  assert.equal(heap.collections, 0);
});
