/** The clock of a board without a battery: brought out of 1970, kept by the hub where nothing else keeps it. */
import assert from 'node:assert/strict';
import { rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ClockKeeper, systemMachineClock } from '#device-agent/firmware/clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 20, 12);

/** A machine that started at `startMs`; `refuse` makes setting its clock fail. */
async function setUp(t: TestContext, startMs: number, dataDir?: string) {
  const clock = new FakeClock(startMs);
  const directory = dataDir ?? (await tempDir(t));
  const set: number[] = [];
  const state = { synchronized: false, refuse: false, asked: 0 };
  const keeper = new ClockKeeper({
    clock,
    dataDir: directory,
    logger: silentLogger,
    machine: {
      async set(timeMs) {
        if (state.refuse) throw new Error('not permitted');
        set.push(timeMs);
        clock.jumpWall(timeMs - clock.now());
      },
      async synchronized() {
        state.asked += 1;
        return state.synchronized;
      },
    },
  });
  const noted = async () => (await stat(join(directory, 'clock')).catch(() => undefined))?.mtimeMs;
  return { clock, keeper, set, state, directory, noted };
}

test('a board in 1970 takes the time of the hub, notes it, and starts from it the next time', async (t) => {
  const first = await setUp(t, 12_000);
  await first.keeper.restore();
  assert.deepEqual(first.set, []);
  await first.keeper.heard(NOW);
  assert.deepEqual([first.set, first.clock.now()], [[NOW], NOW]);
  assert.equal(await first.noted(), NOW);

  const second = await setUp(t, 9_000, first.directory);
  await second.keeper.restore();
  assert.deepEqual(second.set, [NOW]);
});

test('the time is noted once an hour and at the end, without writing anything else', async (t) => {
  const { clock, keeper, noted, directory } = await setUp(t, NOW);
  await keeper.restore();
  assert.equal(await noted(), undefined);
  for (let hour = 1; hour <= 3; hour += 1) {
    await clock.advance(HOUR);
    await eventually(
      'the time is noted',
      5_000,
      async () => (await noted()) === NOW + hour * HOUR && clock.pendingTimers === 1,
      5,
    );
  }
  assert.equal((await stat(join(directory, 'clock'))).size, 0);
  await clock.advance(HOUR / 2);
  await keeper[Symbol.asyncDispose]();
  assert.equal(await noted(), NOW + 3.5 * HOUR);
  assert.equal(clock.pendingTimers, 0);
});

test('a clock that is right, or kept by something else, is left alone', async (t) => {
  const { keeper, set, state } = await setUp(t, NOW);
  await keeper.heard(NOW + 9_000);
  assert.deepEqual([set, state.asked], [[], 0]);
  state.synchronized = true;
  for (let beat = 0; beat < 20; beat += 1) await keeper.heard(NOW + 60_000);
  assert.deepEqual([set, state.asked], [[], 1]);
});

test('a clock that is ahead is set back by the hub, and the later time on disk does not come again', async (t) => {
  const { clock, keeper, set, noted, directory } = await setUp(t, 0);
  const wrong = new Date(Date.UTC(2090, 0, 1));
  await writeFile(join(directory, 'clock'), '');
  await utimes(join(directory, 'clock'), wrong, wrong);
  await keeper.restore();
  assert.deepEqual(set, [wrong.getTime()]);
  await keeper.heard(NOW);
  assert.deepEqual([clock.now(), await noted()], [NOW, NOW]);
});

test('a time yet to come that was noted by a wrong clock is corrected once the clock is right', async (t) => {
  for (const kept of [false, true]) {
    const { keeper, state, clock, noted, directory } = await setUp(t, 0);
    const wrong = new Date(Date.UTC(2090, 0, 1));
    await writeFile(join(directory, 'clock'), '');
    await utimes(join(directory, 'clock'), wrong, wrong);
    await keeper.restore();
    // A time server is heard before the hub.
    clock.jumpWall(NOW - clock.now());
    state.synchronized = true;
    await keeper.note();
    assert.equal(await noted(), wrong.getTime(), 'nobody has said yet which of them is right');
    await keeper.heard(kept ? NOW + 60_000 : NOW + 5_000);
    assert.equal(await noted(), NOW);
  }
});

test('a noted time that cannot be read is no reason to stop', async (t) => {
  const { keeper, set, directory } = await setUp(t, 0);
  await rm(directory, { recursive: true });
  await symlink(directory, directory);
  t.after(() => rm(directory, { force: true }));
  await keeper.restore();
  await keeper.heard(NOW);
  await keeper.note();
  assert.deepEqual(set, [NOW]);
  await keeper[Symbol.asyncDispose]();
});

test('a clock that may not be set is tried seldom, and what is on disk stays', async (t) => {
  const { clock, keeper, state, noted, directory } = await setUp(t, 5_000);
  await writeFile(join(directory, 'clock'), '');
  await utimes(join(directory, 'clock'), NOW / 1000, NOW / 1000);
  state.refuse = true;
  await keeper.restore();
  for (let beat = 0; beat < 100; beat += 1) await keeper.heard(NOW + 60_000);
  assert.equal(state.asked, 0, 'the failure at the start counts');
  await clock.advance(600_000);
  await keeper.heard(NOW + 60_000);
  assert.equal(state.asked, 1);
  await keeper[Symbol.asyncDispose]();
  assert.equal(await noted(), NOW);
});

test('times that cannot be are not believed', async (t) => {
  const { keeper, set } = await setUp(t, 0);
  for (const time of [0, Date.UTC(2019, 0, 1), Date.UTC(2150, 0, 1), Number.NaN]) await keeper.heard(time);
  assert.deepEqual(set, []);
});

test('the kernel says whether its clock is kept, in the words of busybox and of adjtimex', async () => {
  const saying = (output: string | undefined) =>
    systemMachineClock(async () => {
      if (output === undefined) throw new Error('not installed');
      return output;
    }).synchronized();
  assert.equal(await saying('    status:       64 (UNSYNC)\n'), false);
  assert.equal(await saying('       status: 8257\n'), false);
  assert.equal(await saying('       status: 8193\n'), true);
  assert.equal(await saying(undefined), false);
});

test('the clock is set by a command that busybox and coreutils share', async () => {
  const calls: string[] = [];
  await systemMachineClock(async (program, args) => {
    calls.push([program, ...args].join(' '));
    return '';
  }).set(NOW + 400);
  assert.deepEqual(calls, [`date -u -s @${NOW / 1000}`]);
});
