import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest, ApiResult } from '#hub/api/api-request.js';
import { type LimitOptions, Limits, limitsFilter } from '#hub/api/filters/limits.js';
import { ApiError } from '#protocol/meta/status.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

interface Asked {
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly method?: string;
  readonly verb?: string;
  readonly inProcess?: boolean;
}

function request({ user = 'joe', groups = [], method = 'GET', verb = 'get', inProcess = false }: Asked = {}) {
  const controller = new AbortController();
  return {
    user: { username: user, groups },
    method,
    credentials: inProcess ? undefined : {},
    info: { kind: 'resource', verb, subresource: '' },
    signal: controller.signal,
    abort: () => controller.abort(),
  } as unknown as ApiRequest & { abort(): void };
}

function limits(options: Partial<LimitOptions>) {
  const clock = new FakeClock();
  return { clock, limits: new Limits(clock, options) };
}

const is429 = (error: unknown) =>
  error instanceof ApiError && error.code === 429 && error.status.details?.retryAfterSeconds === 1;

test('a user may burst, then goes on at the rate; others are not touched', async () => {
  const { clock, limits: state } = limits({ perUserRate: 2, perUserBurst: 3 });
  for (let index = 0; index < 3; index += 1) state.enter(request())();
  assert.throws(() => state.enter(request()), is429);
  state.enter(request({ user: 'ann' }))();
  await clock.advance(500);
  state.enter(request())();
  assert.throws(() => state.enter(request()), is429);
});

test('administrators and callers in the process are exempt', () => {
  const { limits: state } = limits({ perUserRate: 1, perUserBurst: 1, maxReads: 0 });
  for (let index = 0; index < 5; index += 1) {
    state.enter(request({ groups: ['system:masters'] }));
    state.enter(request({ inProcess: true }));
  }
});

test('reads and writes under way are counted apart', () => {
  const { limits: state } = limits({ maxReads: 1, maxWrites: 1 });
  const leaveRead = state.enter(request());
  assert.throws(() => state.enter(request()), is429);
  const leaveWrite = state.enter(request({ method: 'POST', verb: 'create' }));
  assert.throws(() => state.enter(request({ method: 'POST', verb: 'create' })), is429);
  leaveRead();
  leaveWrite();
  state.enter(request());
});

test('a watch counts until its connection is over, a refused one not at all', async () => {
  const { limits: state } = limits({ maxLongRunningPerUser: 1 });
  const watchResult = { kind: 'watch' } as unknown as ApiResult;
  const handler = limitsFilter({ limits: state }).wrap(async () => watchResult);
  const failing = limitsFilter({ limits: state }).wrap(async () => {
    throw new Error('no');
  });
  await assert.rejects(failing(request({ verb: 'watch' })), /no/);
  const open = request({ verb: 'watch' });
  await handler(open);
  await assert.rejects(handler(request({ verb: 'watch' })), is429);
  open.abort();
  await handler(request({ verb: 'watch' }));
});

test('a flood of names does not grow the memory without bound', () => {
  const { limits: state } = limits({});
  for (let index = 0; index < 50_000; index += 1) state.enter(request({ user: `user-${index}` }))();
  state.enter(request())();
});
