import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from '#device-agent/lib/limiter.js';
import { podUidOf } from '#device-agent/observe/observer.js';
import { settle } from '#test/helpers/fake-clock.js';

test('no more than the limit runs at once, waiting work starts in order, and failures free their place', async () => {
  const limiter = new Limiter(2);
  const started: number[] = [];
  const finish: Array<(error?: Error) => void> = [];
  const works = [0, 1, 2, 3].map((index) =>
    limiter
      .run(() => {
        started.push(index);
        return new Promise<void>((resolve, reject) =>
          finish.push((error) => (error ? reject(error) : resolve())),
        );
      })
      .catch(() => undefined),
  );
  await settle();
  assert.deepEqual(started, [0, 1]);
  finish[1]?.(new Error('failed'));
  await settle();
  assert.deepEqual(started, [0, 1, 2]);
  finish[0]?.();
  await settle();
  finish[2]?.();
  finish[3]?.();
  await Promise.all(works);
  assert.deepEqual(started, [0, 1, 2, 3]);
});

test('a waiter that is aborted leaves the queue', async () => {
  const limiter = new Limiter(1);
  let release: () => void = () => undefined;
  const first = limiter.run(() => new Promise<void>((resolve) => (release = resolve)));
  const abort = new AbortController();
  const second = limiter.run(async () => assert.fail('must not run'), abort.signal);
  abort.abort(new Error('no longer wanted'));
  await assert.rejects(second, /no longer wanted/);
  release();
  await first;
  assert.equal(await limiter.run(async () => 'free'), 'free');
});

const UUID = '11111111-2222-3333-4444-555555555555';
const IDS = [
  { id: `${UUID}-web-app-12`, known: [], expected: UUID },
  { id: 'uid-1-web-app-3', known: ['uid-1'], expected: 'uid-1' },
  { id: 'odd-name-0', known: [], expected: 'odd' },
];
for (const { id, known, expected } of IDS)
  test(`the pod of container ${id}`, () => assert.equal(podUidOf(id, new Set(known)), expected));
