/** What a collection gives back of the heap of a process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { processHeap } from '#device-agent/metrics/heap-trimmer.js';

/** Of what has outlived the young generation, MiB. */
function oldMiB(): number {
  const space = getHeapSpaceStatistics().find((one) => one.space_name === 'old_space');
  return (space?.space_size ?? 0) / 1024 ** 2;
}

test('pages that a burst left half empty go back to the system', () => {
  const heap = processHeap();
  heap.collect();
  const before = oldMiB();
  let burst: object[] = Array.from({ length: 300_000 }, (_, index) => ({ index, list: [index, index] }));
  heap.collect();
  const full = oldMiB();
  assert.ok(full > before + 15, `the burst is large enough to tell: ${before} to ${full} MiB`);
  // Two of five live, so that V8 itself would leave every page as it is.
  burst = burst.filter((_, index) => index % 5 < 2);
  heap.collect();
  const share = (oldMiB() - before) / (full - before);
  assert.ok(share < 0.6, `${Math.round(share * 100)} % are held for 40 % that live`);
  assert.equal(burst.length, 120_000);
});
