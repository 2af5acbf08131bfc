import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ListResult } from '#hub/api/api-request.js';
import { WatchFrames } from '#hub/api/watch-frames.js';
import { listHead, listLength, listSlices } from '#hub/api/write-list.js';
import type { StoredValue } from '#hub/store/store.js';
import { kindByGvk } from '#protocol/kinds.js';

const pod = kindByGvk('', 'v1', 'Pod');

function stored(object: Record<string, unknown>): StoredValue {
  return { object, bytes: Buffer.from(JSON.stringify(object)) };
}

function listOf(items: readonly StoredValue[]): ListResult {
  assert.ok(pod);
  return {
    kind: 'list',
    resource: pod,
    list: {
      items,
      resourceVersion: '7',
      continue: items.length > 2 ? 'more' : '',
      remainingItemCount: undefined,
    },
  };
}

test('slices put together are the list, of the length announced', () => {
  const size = fc.oneof(fc.nat(50), fc.integer({ min: 200_000, max: 1_200_000 }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 6 }), (sizes) => {
      const objects = sizes.map((length) => ({ text: 'x'.repeat(length) }));
      const result = listOf(objects.map(stored));
      const head = listHead(result);
      const slices = [...listSlices(head, result)];
      const text = Buffer.concat(slices).toString();
      assert.equal(Buffer.byteLength(text), listLength(head, result));
      const parsed = JSON.parse(text);
      assert.deepEqual(parsed.items, objects);
      assert.equal(parsed.kind, 'PodList');
      assert.equal(parsed.metadata.resourceVersion, '7');
      assert.equal(parsed.metadata.continue, sizes.length > 2 ? 'more' : undefined);
    }),
    { numRuns: 30 },
  );
});

test('an empty list is one slice', () => {
  const result = listOf([]);
  const text = Buffer.concat([...listSlices(listHead(result), result)]).toString();
  assert.equal(text, '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}\n');
});

test('watchers of one batch share its bytes, and each event is one line', () => {
  const frames = new WatchFrames();
  const batch = [
    { type: 'ADDED' as const, value: stored({ a: 1 }) },
    { type: 'DELETED' as const, value: stored({ b: 2 }) },
  ];
  const [first] = frames.batch(batch);
  const [second] = frames.batch(batch);
  assert.equal(first, second);
  assert.equal(first?.toString(), '{"type":"ADDED","object":{"a":1}}\n{"type":"DELETED","object":{"b":2}}\n');
});

test('one value under two event types is two frames', () => {
  const frames = new WatchFrames();
  const value = stored({ a: 1 });
  const lines = (['ADDED', 'MODIFIED', 'ADDED'] as const).map((type) =>
    frames.batch([{ type, value }])[0]?.toString(),
  );
  assert.deepEqual(
    lines.map((line) => JSON.parse(line ?? '').type),
    ['ADDED', 'MODIFIED', 'ADDED'],
  );
});

test('large batches come in pieces', () => {
  const frames = new WatchFrames();
  const batch = Array.from({ length: 10 }, () => ({
    type: 'ADDED' as const,
    value: stored({ text: 'x'.repeat(100_000) }),
  }));
  const pieces = frames.batch(batch);
  assert.ok(pieces.length >= 3);
  assert.equal(Buffer.concat(pieces).toString().trimEnd().split('\n').length, 10);
});
