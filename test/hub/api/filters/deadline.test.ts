import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest, ApiResult } from '#hub/api/api-request.js';
import { deadlineFilter } from '#hub/api/filters/deadline.js';
import { NO_QUERY, QueryParams } from '#hub/api/query.js';
import { ApiError } from '#protocol/meta/status.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

function request(query: string, verb = 'get') {
  const controller = new AbortController();
  return {
    query: query === '' ? NO_QUERY : new QueryParams(query),
    info: { kind: 'resource', verb, subresource: '' },
    signal: controller.signal,
    abort: (reason: Error) => controller.abort(reason),
  } as unknown as ApiRequest;
}

const never = () => new Promise<ApiResult>(() => undefined);

test('a request that takes too long ends with 504 and is aborted', async () => {
  const clock = new FakeClock();
  const handler = deadlineFilter({ clock }).wrap(never);
  const asked = request('timeout=5s');
  const outcome = assert.rejects(handler(asked), (error) => error instanceof ApiError && error.code === 504);
  await clock.advance(4_000);
  assert.equal(asked.signal.aborted, false);
  await clock.advance(2_000);
  assert.equal(asked.signal.aborted, true);
  await outcome;
});

test('sixty seconds are the most there is', async () => {
  const clock = new FakeClock();
  const handler = deadlineFilter({ clock }).wrap(never);
  const outcome = assert.rejects(handler(request('timeout=1h')), /allotted timeout of 60s/);
  await clock.advance(61_000);
  await outcome;
});

test('watches have no deadline here', async () => {
  const clock = new FakeClock();
  const asked = request('', 'watch');
  void deadlineFilter({ clock }).wrap(never)(asked);
  await clock.advance(3_600_000);
  assert.equal(asked.signal.aborted, false);
});

test('no timer stays when nothing is under way', async () => {
  const clock = new FakeClock();
  const handler = deadlineFilter({ clock }).wrap(async () => ({ kind: 'raw' }) as unknown as ApiResult);
  await handler(request(''));
  await clock.advance(2_000);
  assert.equal(clock.pendingTimers, 0);
});

test('a timeout that is not a duration is refused', () => {
  const handler = deadlineFilter({ clock: new FakeClock() }).wrap(never);
  assert.throws(() => void handler(request('timeout=soon')), /invalid timeout/);
});
