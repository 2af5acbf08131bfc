/** The heap and the sorted list against an array that is sorted anew, and how many comparisons they take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MinHeap } from '#hub/lib/min-heap.js';
import { SortedList } from '#hub/lib/sorted-list.js';

const byValue = (a: number, b: number) => a - b;

test('a heap gives out what it has in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (items) => {
      const heap = new MinHeap(byValue);
      for (const item of items) heap.add(item);
      assert.equal(heap.size, items.length);
      const sorted = [...items].sort(byValue);
      assert.equal(heap.peek(), sorted[0]);
      assert.deepEqual(
        items.map(() => heap.take()),
        sorted,
      );
      assert.equal(heap.take(), undefined);
    }),
  );
});

test('a heap drops what is not to be kept, and stays one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer(), fc.integer(), (items, least, late) => {
      const heap = new MinHeap(byValue);
      for (const item of items) heap.add(item);
      heap.keep((item) => item >= least);
      heap.add(late);
      const left = [...items.filter((item) => item >= least), late].sort(byValue);
      assert.deepEqual(
        left.map(() => heap.take()),
        left,
      );
      assert.equal(heap.size, 0);
    }),
  );
});

test('a sorted list keeps its order, finds and counts', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer()),
      fc.uniqueArray(fc.integer()),
      fc.integer(),
      (items, gone, pivot) => {
        const list = new SortedList(byValue);
        for (const item of items) list.add(item);
        for (const item of gone) assert.equal(list.remove(item), items.includes(item));
        const left = items.filter((item) => !gone.includes(item)).sort(byValue);
        assert.deepEqual(
          left.map((_, index) => list.at(index)),
          left,
        );
        assert.equal(list.size, left.length);
        assert.equal(
          list.rank((item) => item < pivot),
          left.filter((item) => item < pivot).length,
        );
      },
    ),
  );
});

test('a place among many is found in few comparisons', () => {
  let comparisons = 0;
  const counted = (a: number, b: number) => {
    comparisons += 1;
    return a - b;
  };
  const list = new SortedList(counted);
  const heap = new MinHeap(counted);
  const size = 2 ** 14;
  for (let item = 0; item < size; item += 1) {
    list.add(item);
    heap.add(item);
  }
  comparisons = 0;
  list.remove(5_000);
  list.add(5_000);
  assert.ok(comparisons <= 2 * 15 + 1, `${comparisons} in the list`);
  comparisons = 0;
  heap.take();
  heap.add(-1);
  assert.ok(comparisons <= 3 * 15, `${comparisons} in the heap`);
});
