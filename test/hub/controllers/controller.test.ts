/** The run loop: retries with back-off, requeues, gives up on terminal errors, and stops cleanly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Controller, type Reconcile, TerminalError } from '#hub/controllers/controller.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock, settle } from '#test/helpers/fake-clock.js';

function make(reconcile: Reconcile, ready: () => Promise<unknown> = async () => undefined) {
  const clock = new FakeClock();
  const controller = new Controller({ name: 'test', clock, logger: silentLogger, reconcile, ready });
  return { clock, controller };
}

test('a failing key is tried again, ever later, until it succeeds', async () => {
  const times: number[] = [];
  const { clock, controller } = make(async () => {
    times.push(clock.monotonic());
    if (times.length < 5) throw new Error('not yet');
    return undefined;
  });
  controller.enqueue('a');
  await clock.advance(1_000);
  assert.deepEqual(times, [0, 5, 15, 35, 75]);
  controller.enqueue('a');
  await settle();
  assert.equal(times.length, 6);
  await controller[Symbol.asyncDispose]();
});

test('a terminal error ends the retries until the key is enqueued again', async () => {
  let runs = 0;
  const { clock, controller } = make(async () => {
    runs += 1;
    throw new TerminalError('the spec makes no sense');
  });
  controller.enqueue('a');
  await clock.advance(60_000);
  assert.equal(runs, 1);
  controller.enqueue('a');
  await settle();
  assert.equal(runs, 2);
  await controller[Symbol.asyncDispose]();
});

test('a result may ask for another run', async () => {
  let runs = 0;
  const { clock, controller } = make(async () => {
    runs += 1;
    return { requeueAfterMs: 100 };
  });
  controller.enqueue('a');
  await clock.advance(350);
  assert.equal(runs, 4);
  await controller[Symbol.asyncDispose]();
  assert.equal(clock.pendingTimers, 0);
});

test('nothing runs before the caches are filled', async () => {
  let fill: () => void = () => undefined;
  let runs = 0;
  const { controller } = make(
    async () => {
      runs += 1;
      return undefined;
    },
    () => new Promise<void>((resolve) => (fill = resolve)),
  );
  controller.enqueue('a');
  await settle();
  assert.equal(runs, 0);
  fill();
  await settle();
  assert.equal(runs, 1);
  await controller[Symbol.asyncDispose]();
});

test('one failing key does not hold up the others', async () => {
  const done: string[] = [];
  const { clock, controller } = make(async (key) => {
    if (key === 'bad') throw new Error('always');
    done.push(key);
    return undefined;
  });
  for (const key of ['bad', 'a', 'b', 'c']) controller.enqueue(key);
  await clock.advance(10);
  assert.deepEqual(done, ['a', 'b', 'c']);
  await controller[Symbol.asyncDispose]();
});

test('stopping waits for the running reconciler and tells it', async () => {
  let told = false;
  let finish: () => void = () => undefined;
  const { controller } = make(async (_key, signal) => {
    await new Promise<void>((resolve) => (finish = resolve));
    told = signal.aborted;
    return undefined;
  });
  controller.enqueue('a');
  await settle();
  let stopped = false;
  const stopping = controller[Symbol.asyncDispose]().then(() => {
    stopped = true;
  });
  await settle();
  assert.equal(stopped, false);
  finish();
  await stopping;
  assert.equal(told, true);
});
